// One page about one plan: what it does, what it costs, what binds, and what else was possible.
#include <filesystem>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/interrupt.h"
#include "cli/command.h"
#include "cli/steps.h"
#include "model/gguf_reader.h"
#include "report/page.h"
#include "report/report_data.h"
#include "study/trade_off.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string plan, model, cluster, profile, quality, measured;
  std::string out = "report.html";
  int points = 9;
  double time_limit_s = 20;
};

// What was given, and the model where it can be found.
struct Inputs {
  Plan plan;
  std::optional<ModelInfo> model;
  std::optional<Cluster> cluster;
  std::optional<Profile> profile;
  std::optional<QualityTable> quality;
  std::optional<MeasuredRun> measured;
  std::optional<TradeOff> trade_off;
  std::string no_trade_off;
};

template <typename T>
absl::Status ReadIfGiven(const std::string& path, absl::StatusOr<T> (*read)(const std::filesystem::path&),
                         std::optional<T>& out) {
  if (path.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(out, read(path));
  return absl::OkStatus();
}

absl::StatusOr<Inputs> ReadInputs(const Options& options) {
  Inputs in;
  ASSIGN_OR_RETURN(in.plan, ReadPlan(options.plan));
  RETURN_IF_ERROR(ReadIfGiven(options.cluster, ReadCluster, in.cluster));
  RETURN_IF_ERROR(ReadIfGiven(options.profile, ReadProfile, in.profile));
  RETURN_IF_ERROR(ReadIfGiven(options.measured, ReadMeasured, in.measured));
  const std::string path = options.model.empty() ? in.plan.model_path : options.model;
  if (!options.model.empty() || std::filesystem::exists(path)) {
    ASSIGN_OR_RETURN(in.model, ReadModel(path));
  }
  RETURN_IF_ERROR(ReadIfGiven(options.quality, ReadQuality, in.quality));
  if (!in.quality.has_value() && in.model.has_value() && in.plan.loss_kind == Name(LossKind::kWeight)) {
    ASSIGN_OR_RETURN(in.quality, LoadOrComputeQuality("", *in.model, in.plan.model_sha256, {}));
  }
  return in;
}

// What the curve would need, as a sentence; empty where nothing is missing.
std::string MissingForTradeOff(const Options& options, const Inputs& in) {
  if (options.points == 0) return "The curve was not asked for (--points 0).";
  std::string missing;
  const auto need = [&missing](bool there, std::string_view what) {
    if (!there) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", what);
  };
  need(in.model.has_value(), "the model (--model)");
  need(in.cluster.has_value(), "the cluster (--cluster)");
  need(in.profile.has_value(), "its profile (--profile)");
  need(in.quality.has_value(), "the quality table (--quality)");
  return missing.empty() ? "" : "The curve needs what the plan was made from; missing: " + missing + ".";
}

bool SplitsAServer(const Plan& plan) {
  std::set<std::string> seen;
  for (const PlanStage& stage : plan.stages) {
    if (!seen.insert(stage.server).second) return true;
  }
  return false;
}

absl::Status AddTradeOff(const Options& options, Inputs& in) {
  in.no_trade_off = MissingForTradeOff(options, in);
  if (!in.no_trade_off.empty()) return absl::OkStatus();
  PlanLimits limits;
  limits.one_block_per_server = !SplitsAServer(in.plan);
  ASSIGN_OR_RETURN(const Problem problem,
                   BuildProblem(*in.model, *in.cluster, *in.profile, *in.quality, in.plan.workload, limits));
  ASSIGN_OR_RETURN(const Assignment here, AssignmentOf(in.plan, problem));
  ProgressLine line("trade-off curve");
  TradeOffOptions trade_off;
  trade_off.points = options.points;
  trade_off.time_limit_s = options.time_limit_s;
  trade_off.progress = [&line](double fraction, std::string_view what) {
    line.Update(fraction, std::string(what));
    return !Interrupted();
  };
  trade_off.stop = [] { return Interrupted(); };
  auto curve = ComputeTradeOff(problem, here, trade_off);
  if (Interrupted()) return InterruptedStatus();
  if (absl::IsFailedPrecondition(curve.status())) {  // the plan is of another time: say so on the page
    in.no_trade_off = "There is no curve: " + std::string(Message(curve.status())) + ".";
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(in.trade_off, std::move(curve));
  return absl::OkStatus();
}

template <typename T>
const T* PointerTo(const std::optional<T>& value) {
  return value.has_value() ? &*value : nullptr;
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(Inputs in, ReadInputs(options));
  ReportInputs inputs = {&in.plan,
                         PointerTo(in.model),
                         PointerTo(in.cluster),
                         PointerTo(in.profile),
                         PointerTo(in.quality),
                         PointerTo(in.measured),
                         nullptr,
                         "-"};
  RETURN_IF_ERROR(
      PlanReportData(inputs).status());  // do the files belong together? Said before long work starts
  RETURN_IF_ERROR(AddTradeOff(options, in));
  inputs.trade_off = PointerTo(in.trade_off);
  inputs.no_trade_off = in.no_trade_off;
  ASSIGN_OR_RETURN(const Json data, PlanReportData(inputs));
  const std::string page = RenderPage(data);
  RETURN_IF_ERROR(WriteFileAtomically(options.out, page));
  if (program.json) {
    PrintJson(data);
  } else {
    if (!in.no_trade_off.empty()) Say("note: " + in.no_trade_off);
    Print(fmt::format("written to {} ({} KiB; opens in any browser, without a network)\n", options.out,
                      page.size() / 1024));
  }
  return absl::OkStatus();
}

}  // namespace

void AddReport(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(
      program, "report", "One page (HTML) about a plan: servers, bits, delay, memory, and the alternatives",
      "dilemma report plan.json --cluster emulated.toml --profile profile.json --measured run.json",
      [&program, options] { return Run(program, *options); });
  command->add_option("plan", options->plan, "A plan (see `dilemma plan`)")->required();
  command->add_option("--cluster,-c", options->cluster, "The cluster file it was made for (TOML)");
  command->add_option("--profile,-p", options->profile, "The profile it was made from");
  command->add_option("--quality,-q", options->quality,
                      "Loss of each unit at each type (default: the paper's weight difference, where the "
                      "plan was made from that)");
  command->add_option("--model", options->model, "The model's GGUF file (default: where the plan says)");
  command->add_option("--measured", options->measured, "What `dilemma run --json` printed");
  command->add_option("--out,-o", options->out, "Where the page goes")->capture_default_str();
  command->add_option("--points", options->points, "Points of the trade-off curve (0: no curve)")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command
      ->add_option("--time-limit", options->time_limit_s,
                   "Seconds for each point; it keeps its gap after that")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
}

}  // namespace dilemma::cli
