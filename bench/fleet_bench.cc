// Several models at once on random fleets: what is proven of 3 models on 8 servers, and how far a plan of 100
// models on 1,000 servers may be from the best.
//
//   fleet_bench table [--rows small,...] [--seeds N]   the sizes of docs/fleet.md
//   fleet_bench one --models K --servers N ...         one fleet
//
// Every joint plan is validated and every bound checked against its plan; exit code 1 where a target is
// missed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_split.h"
#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/status.h"
#include "base/table.h"
#include "bench/outcome.h"
#include "fleet/edge_fleet.h"
#include "fleet/fleet_solver.h"
#include "fleet/wide_solver.h"

namespace dilemma {
namespace {

constexpr double kMemoryLimit = 4.0 * (1 << 30);

struct Row {
  std::string name;
  FleetShape shape;
  double limit_s = 30;
  int seeds = 5;
  double gap = kNever;  // every seed's, at most; kNever: only stated
};

std::vector<Row> Rows() {
  return {
      {"3x8", {.models = 3, .servers = 8, .large_models = false}, 30, 10, 0.02},
      {"3x8 large", {.models = 3, .servers = 8}, 30, 10, 0.02},
      {"10x50", {.models = 10, .servers = 50, .sites = 5, .memory_factor = 2}, 60, 3},
      {"100x1000", {.models = 100, .servers = 1000, .sites = 40, .memory_factor = 3}, 300, 1},
  };
}

struct Options {
  std::string rows;
  int seeds = 0;
  FleetShape shape;
  uint64_t seed = 0;
  double limit_s = 30, gap = 1e-4;
  std::string method{kDefaultFleetMethod};
  bool trace = false;
};

// What a result must keep; a sentence where it does not.
std::string Wrong(const Fleet& fleet, const FleetResult& result) {
  if (!result.HasPlan()) return "";
  const FleetEvaluation evaluation = EvaluateFleet(fleet, result.plan);
  if (!evaluation.ok()) return "breaks a limit: " + evaluation.Text();
  if (std::fabs(evaluation.objective_s - result.objective_s) > 1e-9 * evaluation.objective_s)
    return "objective is not what the plan costs";
  if (result.bound_s > result.objective_s * (1 + 1e-9)) return "bound above the objective";
  return "";
}

absl::StatusOr<FleetResult> SolveOne(const Fleet& fleet, const Options& options, double limit_s) {
  SolveOptions solve;
  solve.time_limit_s = limit_s;
  solve.gap = options.gap;
  solve.stop = [] { return Interrupted(); };
  if (options.trace)
    solve.progress = [](const SolveProgress& at) {
      std::fprintf(stderr, "%8.2f s  objective %.6f  bound %.6f  gap %.3f %%\n", at.seconds, at.objective_s,
                   at.bound_s, 100 * at.gap);
    };
  if (options.method == "wide") return SolveWideFleet(fleet, solve);  // whatever the number of servers
  return SolveFleet(fleet, options.method, solve);
}

absl::StatusOr<bool> RunTable(const Options& options) {
  Table table({"models x servers", ">seeds", ">proven", ">median s", ">worst s", ">median gap", ">worst gap",
               ">no plan", "target"});
  bool good = true;
  for (const Row& row : Rows()) {
    const std::vector<std::string> wanted = absl::StrSplit(options.rows, ',', absl::SkipEmpty());
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), row.name) == wanted.end()) continue;
    const int seeds = options.seeds > 0 ? options.seeds : row.seeds;
    std::vector<double> gaps, seconds;
    int proven = 0, none = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      if (Interrupted()) return InterruptedStatus();
      const Fleet fleet = EdgeFleet(row.shape, static_cast<uint64_t>(seed));
      ASSIGN_OR_RETURN(const FleetResult result, SolveOne(fleet, options, row.limit_s));
      if (const std::string wrong = Wrong(fleet, result); !wrong.empty()) {
        std::fprintf(stderr, "%s seed %d: %s\n", row.name.c_str(), seed, wrong.c_str());
        good = false;
      }
      std::fprintf(stderr, "%s seed %d: %s, %.6f, gap %.3f %%, %.1f s\n", row.name.c_str(), seed,
                   std::string(Name(result.status)).c_str(), result.objective_s, 100 * result.gap,
                   result.seconds);
      seconds.push_back(result.seconds);
      proven += result.status == SolveStatus::kOptimal ? 1 : 0;
      none += result.HasPlan() ? 0 : 1;
      if (result.HasPlan()) gaps.push_back(result.gap);
    }
    const double worst = gaps.empty() ? 1 : *std::max_element(gaps.begin(), gaps.end());
    const double slowest = *std::max_element(seconds.begin(), seconds.end());
    const bool met = none == 0 && slowest <= row.limit_s * 1.1 && (row.gap == kNever || worst <= row.gap);
    good = good && met;
    table.Add({row.name, fmt::format("{}", seeds), fmt::format("{}", proven),
               fmt::format("{:.1f}", Median(seconds)), fmt::format("{:.1f}", slowest),
               gaps.empty() ? "-" : fmt::format("{:.2f} %", 100 * Median(gaps)),
               gaps.empty() ? "-" : fmt::format("{:.2f} %", 100 * worst), fmt::format("{}", none),
               met ? "met" : "missed"});
  }
  const double peak = PeakBytes();
  std::printf("%s\npeak memory of this process: %.0f MiB (limit 4096)\n", table.ToString().c_str(),
              peak / (1 << 20));
  return good && peak < kMemoryLimit;
}

absl::StatusOr<bool> RunOne(const Options& options) {
  const Fleet fleet = EdgeFleet(options.shape, options.seed);
  ASSIGN_OR_RETURN(const FleetResult result, SolveOne(fleet, options, options.limit_s));
  const std::string wrong = Wrong(fleet, result);
  std::printf("%s by %s in %.1f s: %.6f, bound %.6f, gap %.3f %% %s%s\npeak memory %.0f MiB\n",
              std::string(Name(result.status)).c_str(), result.method.c_str(), result.seconds,
              result.objective_s, result.bound_s, 100 * result.gap, result.reason.c_str(), wrong.c_str(),
              PeakBytes() / (1 << 20));
  return wrong.empty() && result.HasPlan();
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  using dilemma::Options;
  CLI::App app("Several models at once, on random fleets");
  Options options;
  app.require_subcommand(1);
  using Run = absl::StatusOr<bool> (*)(const Options&);
  Run run = nullptr;
  const auto add = [&](const char* name, const char* text, Run what) {
    CLI::App* command = app.add_subcommand(name, text);
    command->add_option("--gap", options.gap, "At which a plan counts as optimal")->capture_default_str();
    command->add_option("--method", options.method)->capture_default_str();
    command->add_flag("--trace", options.trace, "Every new plan and bound");
    command->callback([&run, what] { run = what; });
    return command;
  };
  CLI::App* table = add("table", "Gaps by size", &dilemma::RunTable);
  table->add_option("--rows", options.rows, "Names of rows, with commas between them");
  table->add_option("--seeds", options.seeds, "Fleets of each size (0: as the table says)");
  CLI::App* one = add("one", "One fleet", &dilemma::RunOne);
  one->add_option("--models", options.shape.models)->capture_default_str();
  one->add_option("--servers", options.shape.servers)->capture_default_str();
  one->add_option("--sites", options.shape.sites)->capture_default_str();
  one->add_option("--memory", options.shape.memory_factor, "Of all models at 4 bits")->capture_default_str();
  one->add_flag("!--no-large", options.shape.large_models, "No models of 60 and 80 layers");
  one->add_option("--seed", options.seed)->capture_default_str();
  one->add_option("--limit", options.limit_s, "Seconds")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  dilemma::CatchInterrupts();
  return dilemma::OutcomeOf(run(options));
}
