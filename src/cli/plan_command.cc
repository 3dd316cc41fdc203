#include <optional>

#include "base/file.h"
#include "base/interrupt.h"
#include "cli/command.h"
#include "cli/plan_budget.h"
#include "cli/plan_explain.h"
#include "cli/plan_frontier.h"
#include "cli/plan_problem.h"
#include "cli/plan_replan.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "model/gguf_reader.h"
#include "planner/baselines.h"
#include "report/page.h"
#include "study/plan_inputs.h"
#include "study/replan.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string model, cluster, profile, quality, out, problem;
  std::string method{kDefaultSolver};
  BudgetOptions budget;
  std::vector<std::string> types;
  bool many_blocks = false, explain = false, frontier = false;
  int points = 9;
  std::string page = "frontier.html";
  std::vector<std::string> pins, without, what_if;
  std::string from;
  double serve_requests = 100;
  CLI::App* command = nullptr;  // to see what was given
  int max_servers = 0;
  double time_limit_s = 60, gap = 1e-6;
  std::string objective = "latency";
  Workload workload;
};

// By which weights are rounded when the plan is measured.
absl::StatusOr<Importance> ImportanceOf(const Options& options) {
  if (options.quality.empty()) return Importance();
  return ReadImportance(options.quality);
}

// `meter` is made where text is given to check plans on.
absl::StatusOr<PlanInputs> ReadInputs(const Options& options, const std::string& sha256,
                                      std::unique_ptr<PlanMeter>& meter) {
  PlanInputs in;
  in.workload = options.workload;
  ASSIGN_OR_RETURN(in.model, ReadModel(options.model));
  ASSIGN_OR_RETURN(in.cluster, ReadCluster(options.cluster));
  ASSIGN_OR_RETURN(in.profile, ReadProfile(options.profile));
  ASSIGN_OR_RETURN(in.quality, LoadOrComputeQuality(options.quality, in.model, sha256, options.types));
  if (meter == nullptr) {
    ASSIGN_OR_RETURN(Importance importance, ImportanceOf(options));
    ASSIGN_OR_RETURN(meter, MakeMeter(options.budget, in.model, std::move(importance)));
  }
  RETURN_IF_ERROR(ApplyBudget(options.budget, in.model, in.quality, meter.get(), in.limits));
  in.limits.one_block_per_server = !options.many_blocks;
  in.limits.max_servers = options.max_servers;
  in.limits.objective = options.objective == "throughput" ? Objective::kThroughput : Objective::kLatency;
  for (const std::string& text : options.pins) {
    ASSIGN_OR_RETURN(Pin pin, ParsePin(text, in.model));
    in.limits.pins.push_back(std::move(pin));
  }
  for (const std::string& name : options.without) {
    const int n = in.cluster.IndexOf(name);
    if (n < 0) return InvalidArgument("--without {}: cluster '{}' has no such server", name, in.cluster.name);
    in.cluster.servers[static_cast<size_t>(n)].forbidden = true;
  }
  return in;
}

// Draws the curve around the plan: as text, and as a page.
absl::StatusOr<TradeOff> DrawFrontier(const Options& options, const PlanInputs& in, const Problem& problem,
                                      const SolveResult& result, const Plan& plan) {
  ASSIGN_OR_RETURN(TradeOff curve,
                   Frontier(problem, result.assignment, options.points, options.time_limit_s, options.gap));
  const ReportInputs inputs = {&plan, &in.model, &in.cluster, &in.profile, &in.quality, nullptr, &curve, ""};
  ASSIGN_OR_RETURN(const Json data, PlanReportData(inputs));
  RETURN_IF_ERROR(WriteFileAtomically(options.page, RenderPage(data)));
  return curve;
}

// What the old plan was made for, wherever the command line says nothing else.
absl::Status TakeFromPlan(const Plan& old_plan, Options& options, std::string_view loss_kind) {
  const auto given = [&](const char* name) { return options.command->count(name) > 0; };
  Workload& work = options.workload;
  const Workload& old = old_plan.workload;
  if (!given("--context")) work.context = old.context;
  if (!given("--users")) work.users = old.users;
  if (!given("--prompt-tokens")) work.prompt_tokens = old.prompt_tokens;
  if (!given("--output-tokens")) work.output_tokens = old.output_tokens;
  if (!given("--wire")) work.wire = old.wire;
  if (options.budget.Given()) return absl::OkStatus();
  if (old_plan.loss_kind != loss_kind)
    return InvalidArgument(
        "the old plan's budget is in '{}' loss, the quality table is in '{}': say --max-loss or --as-good-as",
        old_plan.loss_kind, loss_kind);
  options.budget.max_loss = old_plan.loss_budget;
  return absl::OkStatus();
}

// --from and --what-if: without --from the old plan is the one for things as they are.
absl::Status RunAgain(const Program& program, const Options& given, const std::string& sha256) {
  Options options = given;
  if (!options.budget.check_text.empty() && options.budget.max_loss_increase < 0)
    return InvalidArgument("a plan for a change is not measured: leave out --check-text");
  ReplanRequest request;
  std::unique_ptr<PlanMeter> meter;
  if (!options.from.empty()) {
    ASSIGN_OR_RETURN(request.old_plan, ReadPlan(options.from));
    ASSIGN_OR_RETURN(const PlanInputs in, ReadInputs(options, sha256, meter));
    RETURN_IF_ERROR(TakeFromPlan(request.old_plan, options, Name(in.quality.kind)));
  }
  ASSIGN_OR_RETURN(request.inputs, ReadInputs(options, sha256, meter));
  PlanInputs& in = request.inputs;
  if (options.from.empty()) {
    ProgressLine line("planning");
    ASSIGN_OR_RETURN(const Problem problem, BuildProblem(in));
    const SolveOptions solve = MakeSolveOptions(options.time_limit_s, options.gap, line);
    ASSIGN_OR_RETURN(const SolveResult result, SolveBy(options.method, problem, solve));
    line.Finish();
    if (!result.HasAssignment()) return NoPlan(program, problem, result, solve);
    ASSIGN_OR_RETURN(request.old_plan,
                     ToPlan({in.model, sha256, in.cluster, in.quality, in.workload}, problem, result));
    if (Interrupted()) return InterruptedStatus();
  }
  for (const std::string& change : options.what_if) RETURN_IF_ERROR(ApplyChange(change, in));
  request.changes = options.what_if;
  for (const std::string& server : options.without) request.changes.push_back("without " + server);
  request.sha256 = sha256;
  request.serve_requests = options.serve_requests;
  request.time_limit_s = options.time_limit_s;
  request.gap = options.gap;
  request.out = options.out;
  return ReplanAndPrint(program, request);
}

absl::Status Run(const Program& program, const Options& options) {
  if (!options.problem.empty()) {
    return AnswerProblem(program, {options.problem, options.method, options.time_limit_s, options.gap,
                                   options.explain, options.frontier ? options.points : 0});
  }
  if (options.model.empty() || options.cluster.empty() || options.profile.empty())
    return InvalidArgument(
        "plan needs a model, --cluster and --profile, or --problem (see dilemma plan --help)");
  ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(options.model));
  if (!options.from.empty() || !options.what_if.empty()) return RunAgain(program, options, sha256);
  std::unique_ptr<PlanMeter> meter;
  ASSIGN_OR_RETURN(const PlanInputs in, ReadInputs(options, sha256, meter));
  ASSIGN_OR_RETURN(const Problem asked, BuildProblem(in));
  if (options.frontier) RETURN_IF_ERROR(CheckFrontier(asked));
  ASSIGN_OR_RETURN(const CheckedPlan checked,
                   SolveChecked(options.budget, in, asked, meter.get(), options.method, options.time_limit_s,
                                options.gap));
  const auto& [result, problem, check] = checked;
  if (!result.HasAssignment()) {
    ProgressLine line("asking what is missing");
    return NoPlan(program, problem, result, MakeSolveOptions(options.time_limit_s, options.gap, line));
  }
  ASSIGN_OR_RETURN(Plan plan,
                   ToPlan({in.model, sha256, in.cluster, in.quality, in.workload}, problem, result));
  plan.check = check;
  if (options.explain && !Interrupted()) {
    std::vector<Resource> resources = ResourcesOf(problem, result.assignment);
    for (Resource& link : LinkResources(in, problem, result.assignment)) resources.push_back(std::move(link));
    ASSIGN_OR_RETURN(plan.explanation,
                     Explain(problem, result, resources, options.time_limit_s, options.gap));
  }
  RETURN_IF_ERROR(WriteJson(options.out, PlanToJson(plan)));
  std::optional<TradeOff> curve;
  if (options.frontier && !Interrupted()) {
    ASSIGN_OR_RETURN(curve, DrawFrontier(options, in, problem, result, plan));
  }
  if (program.json) {
    Json json = PlanToJson(plan);
    if (curve.has_value()) json["trade_off"] = TradeOffToJson(*curve);
    PrintJson(json);
  } else {
    std::string text = RenderPlan(plan, in.model) + RenderCheck(plan) + RenderExplanation(plan.explanation) +
                       "\n" + RenderRing(plan, in.model);
    if (curve.has_value()) text += RenderFrontier(*curve);
    text += fmt::format("\nwritten to {}", options.out);
    if (curve.has_value()) text += fmt::format("; the curve to {}, for any browser", options.page);
    ASSIGN_OR_RETURN(const Importance importance, ImportanceOf(options));
    if (!importance.empty()) {
      text += fmt::format(
          "\nits losses hold for weights rounded by importance: dilemma quantize {} --importance {}",
          options.out, options.quality);
    }
    Print(text + "\n");
  }
  return Interrupted() ? InterruptedStatus() : absl::OkStatus();
}

std::vector<std::string> Methods() {
  std::vector<std::string> names;
  for (const std::string_view name : SolverNames()) names.emplace_back(name);
  for (const Baseline& baseline : Baselines()) names.emplace_back(baseline.name);
  return names;
}

}  // namespace

void AddPlan(Program& program) {
  auto options = std::make_shared<Options>();
  options->out = "plan.json";
  CLI::App* command = AddCommand(
      program, "plan", "Decide which server runs each unit and at how many bits",
      "dilemma plan model.gguf --cluster emulated.toml --profile profile.json --as-good-as q5_0 --explain\n"
      "  dilemma plan model.gguf -c emulated.toml -p profile.json -q quality.json --max-kl 0.06 --check-text "
      "dev-v1.1.json --check-part test\n"
      "  dilemma plan model.gguf -c emulated.toml -p profile.json --frontier --page frontier.html\n"
      "  dilemma plan model.gguf -c emulated.toml -p profile.json --from plan.json --what-if \"link a-b 20 "
      "Mbit/s\"",
      [&program, options] { return Run(program, *options); });
  command->add_option("model", options->model, "A GGUF file");
  command->add_option("--cluster,-c", options->cluster, "A cluster file (TOML)");
  command->add_option("--profile,-p", options->profile, "What `dilemma profile` measured");
  command
      ->add_option(
          "--problem", options->problem,
          "Instead of model, cluster and profile: a bare problem (JSON, docs/formats.md). No plan is an "
          "error, but with --json an answer")
      ->excludes("model")
      ->excludes("--cluster")
      ->excludes("--profile");
  command->add_option(
      "--quality,-q", options->quality,
      "Loss of each unit at each type (default: the paper's weight difference, computed now)");
  command->add_option("--out,-o", options->out, "Where the plan goes")->capture_default_str();
  AddBudgetOptions(command, options->budget);
  command->add_option("--types", options->types, "Menu of tensor types (default: all but the source's own)");
  command->add_flag("--many-blocks", options->many_blocks, "A server may hold several runs of layers");
  command->add_flag(
      "--explain", options->explain,
      "What one more unit of each limit is worth, and why servers are unused, by solving again");
  command->add_flag("--frontier", options->frontier,
                    "Also the curve of delay against loss: every plan on it proven, or its gap shown");
  command->add_option("--points", options->points, "Of the curve")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  command->add_option("--page", options->page, "Where the picture of the curve goes (HTML)")
      ->capture_default_str();
  command->add_option(
      "--pin", options->pins,
      "Units that must be on a server: embedding=gateway, head=gateway, 0-9=edge-fast (layers)");
  command->add_option("--without", options->without, "Plan as if this server were not there");
  command->add_option("--max-servers", options->max_servers, "Use at most this many servers (0: all)")
      ->check(CLI::Range(0, 100000));
  command
      ->add_option("--objective", options->objective,
                   "latency (the paper's) or throughput (the busiest stage)")
      ->check(CLI::IsMember({"latency", "throughput"}))
      ->capture_default_str();
  command->add_option("--method", options->method, "Solver, or a baseline to compare with")
      ->check(CLI::IsMember(Methods()))
      ->capture_default_str();
  command->add_option("--time-limit", options->time_limit_s, "Seconds; the best plan so far is kept")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command->add_option("--gap", options->gap, "Relative gap at which a plan counts as optimal")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--from", options->from,
                      "Plan again from this plan: its workload and budget, and moving its shards has a cost");
  command
      ->add_option("--what-if", options->what_if,
                   "A change to plan for, against --from or the plan for things as they are: " +
                       std::string(ChangeGrammar()))
      ->take_all();
  command
      ->add_option("--serve", options->serve_requests,
                   "Requests over which moving shards must pay off (with --from, --what-if)")
      ->check(CLI::Range(1e-3, 1e12))
      ->capture_default_str();
  options->command = command;
  AddWorkloadOptions(command, options->workload);
}

}  // namespace dilemma::cli
