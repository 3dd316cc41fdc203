// `fleet`: several models that share the servers of one cluster, planned together.
#include <set>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/steps.h"
#include "fleet/fleet_file.h"
#include "fleet/fleet_solver.h"
#include "model/gguf_reader.h"
#include "planner/problem_file.h"
#include "study/plan_inputs.h"

namespace dilemma::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> files;
  std::vector<double> weights;
  std::string method{kDefaultFleetMethod};
  std::string out = ".";
  double time_limit_s = 60, gap = 1e-4;
};

// A model of the fleet, and what it was made from (not for a bare problem).
struct Member {
  NamedProblem named;
  bool bare = true;
  PlanInputs inputs;
  std::string sha256;
};

absl::StatusOr<Member> ReadMember(const FleetEntry& entry, const Cluster& cluster) {
  Member member;
  member.named.name = entry.name;
  member.named.weight = entry.weight;
  if (!entry.problem.empty()) {
    ASSIGN_OR_RETURN(member.named.problem, ReadProblem(entry.problem));
    return member;
  }
  member.bare = false;
  PlanInputs& in = member.inputs;
  in.workload = entry.workload;
  in.cluster = cluster;
  ASSIGN_OR_RETURN(member.sha256, Sha256OfFile(entry.model.string()));
  ASSIGN_OR_RETURN(in.model, ReadModel(entry.model.string()));
  ASSIGN_OR_RETURN(in.profile, ReadProfile(entry.profile.string()));
  ASSIGN_OR_RETURN(in.quality, LoadOrComputeQuality(entry.quality.string(), in.model, member.sha256, {}));
  if (entry.max_loss >= 0) {
    in.limits.loss_budget = entry.max_loss;
  } else {
    ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(entry.as_good_as));
    ASSIGN_OR_RETURN(in.limits.loss_budget, UniformLoss(in.quality, type));
  }
  in.limits.one_block_per_server = !entry.many_blocks;
  ASSIGN_OR_RETURN(member.named.problem, BuildProblem(in));
  return member;
}

absl::StatusOr<FleetFile> FleetFileOf(const Options& options) {
  const bool toml = fs::path(options.files[0]).extension() == ".toml";
  FleetFile file;
  if (toml) {
    if (options.files.size() > 1 || !options.weights.empty())
      return InvalidArgument("give one fleet file (its models have their weights in it), or bare problems");
    return ReadFleetFile(options.files[0]);
  }
  if (!options.weights.empty() && options.weights.size() != options.files.size())
    return InvalidArgument("--weights has {} numbers for {} problems", options.weights.size(),
                           options.files.size());
  std::set<std::string> names;
  for (size_t i = 0; i < options.files.size(); ++i) {
    FleetEntry entry;
    entry.problem = options.files[i];
    entry.name = entry.problem.stem().string();
    if (!names.insert(entry.name).second) entry.name += fmt::format("-{}", i + 1);
    if (!options.weights.empty()) entry.weight = options.weights[i];
    file.models.push_back(std::move(entry));
  }
  return file;
}

std::string ServersOf(const Fleet& fleet, const Evaluation& evaluation) {
  std::string text;
  for (const StageUse& stage : evaluation.stages)
    text += (text.empty() ? "" : " > ") + fmt::format("{} {}-{}",
                                                      fleet.server_names[static_cast<size_t>(stage.server)],
                                                      stage.first_unit, stage.last_unit);
  return text;
}

std::string Render(const Fleet& fleet, const FleetResult& result) {
  std::string text = fmt::format("{} models on {} servers: {} by {} in {}", fleet.size(), fleet.servers(),
                                 Name(result.status), result.method, FormatDuration(result.seconds));
  if (!result.HasPlan()) return text + (result.reason.empty() ? "" : ": " + result.reason) + "\n";
  text += fmt::format(": weighted sum {}, bound {}, gap {:.3f} %\n\n", FormatDuration(result.objective_s),
                      FormatDuration(result.bound_s), 100 * result.gap);
  const FleetEvaluation evaluation = EvaluateFleet(fleet, result.plan);
  Table models({"model", ">weight", ">time", ">a token", ">loss", "units on"});
  for (int k = 0; k < fleet.size(); ++k) {
    const FleetModel& model = *fleet.models[static_cast<size_t>(k)];
    const Evaluation& own = evaluation.models[static_cast<size_t>(k)];
    models.Add({model.name(), fmt::format("{:g}", model.weight()), FormatDuration(own.objective_s),
                FormatDuration(own.decode_s), fmt::format("{:.4g}", own.loss), ServersOf(fleet, own)});
  }
  Table servers({"server", ">models' blocks", ">memory", ">of", ">used"});
  for (size_t n = 0; n < evaluation.servers.size(); ++n) {
    const ServerUse& use = evaluation.servers[n];
    const auto of = fleet.memory_bytes[n];
    servers.Add({fleet.server_names[n], fmt::format("{}", use.stages), FormatBytes(use.memory_bytes),
                 FormatBytes(of),
                 of > 0 ? fmt::format("{:.0f} %",
                                      100.0 * static_cast<double>(use.memory_bytes) / static_cast<double>(of))
                        : ""});
  }
  return text + models.ToString() + "\n" + servers.ToString();
}

Json ToJson(const Fleet& fleet, const FleetResult& result) {
  const auto ms = [](double seconds) { return std::isfinite(seconds) ? Json(seconds * 1e3) : Json(nullptr); };
  Json json = {{"status", Name(result.status)},  {"objective_ms", ms(result.objective_s)},
               {"bound_ms", ms(result.bound_s)}, {"gap", result.HasPlan() ? Json(result.gap) : Json(nullptr)},
               {"seconds", result.seconds},      {"method", result.method}};
  if (!result.reason.empty()) json["reason"] = result.reason;
  json["models"] = Json::array();
  json["servers"] = Json::array();
  if (!result.HasPlan()) return json;
  const FleetEvaluation evaluation = EvaluateFleet(fleet, result.plan);
  for (size_t k = 0; k < result.plan.size(); ++k) {
    Json assignment = Json::array();
    for (const Placement& placement : result.plan[k])
      assignment.push_back({placement.server, placement.type});
    json["models"].push_back({{"name", fleet.models[k]->name()},
                              {"weight", fleet.models[k]->weight()},
                              {"objective_ms", ms(evaluation.models[k].objective_s)},
                              {"loss", evaluation.models[k].loss},
                              {"assignment", std::move(assignment)}});
  }
  for (size_t n = 0; n < evaluation.servers.size(); ++n)
    json["servers"].push_back({{"name", fleet.server_names[n]},
                               {"memory_bytes", fleet.memory_bytes[n]},
                               {"used_bytes", evaluation.servers[n].memory_bytes}});
  return json;
}

// One plan file for each model that is a GGUF file; their paths.
absl::StatusOr<std::vector<std::string>> WritePlans(const Options& options, const Fleet& fleet,
                                                    const std::vector<Member>& members,
                                                    const std::vector<Problem>& problems,
                                                    const FleetResult& result) {
  std::vector<std::string> written;
  for (size_t k = 0; k < members.size(); ++k) {
    const Member& member = members[k];
    if (member.bare) continue;
    SolveResult own;
    own.status = result.status;
    own.assignment = result.plan[k];
    own.objective_s = Evaluate(problems[k], own.assignment).objective_s;
    // With the others as they are, no plan of this model can save more than the joint gap.
    own.bound_s =
        std::max(0.0, own.objective_s - (result.objective_s - result.bound_s) / fleet.models[k]->weight());
    own.gap = own.objective_s > 0 ? 1 - own.bound_s / own.objective_s : 0;
    own.seconds = result.seconds;
    own.method = "fleet " + result.method;
    const PlanInputs& in = member.inputs;
    ASSIGN_OR_RETURN(const Plan plan, ToPlan({in.model, member.sha256, in.cluster, in.quality, in.workload},
                                             problems[k], own));
    const fs::path path = fs::path(options.out) / (member.named.name + ".plan.json");
    RETURN_IF_ERROR(WriteJson(path, PlanToJson(plan)));
    written.push_back(path.string());
  }
  return written;
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(const FleetFile file, FleetFileOf(options));
  Cluster cluster;
  if (!file.cluster.empty()) {
    ASSIGN_OR_RETURN(cluster, ReadCluster(file.cluster.string()));
  }
  std::vector<Member> members;
  std::vector<NamedProblem> named;
  std::vector<Problem> problems;
  for (const FleetEntry& entry : file.models) {
    ASSIGN_OR_RETURN(Member member, ReadMember(entry, cluster));
    named.push_back(member.named);
    problems.push_back(member.named.problem);
    members.push_back(std::move(member));
  }
  ASSIGN_OR_RETURN(const Fleet fleet, MakeFleet(std::move(named)));
  ProgressLine line("planning");
  const SolveOptions solve = MakeSolveOptions(options.time_limit_s, options.gap, line);
  ASSIGN_OR_RETURN(const FleetResult result, SolveFleet(fleet, options.method, solve));
  line.Finish();
  std::vector<std::string> written;
  if (result.HasPlan()) {
    ASSIGN_OR_RETURN(written, WritePlans(options, fleet, members, problems, result));
  }
  if (program.json) {
    PrintJson(ToJson(fleet, result));
  } else {
    std::string text = Render(fleet, result);
    for (const std::string& path : written) text += "\nwritten to " + path;
    Print(text + (written.empty() ? "" : "\n"));
  }
  return Interrupted() ? InterruptedStatus() : absl::OkStatus();
}

}  // namespace

void AddFleet(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(program, "fleet", "Plan several models that share the servers of one cluster",
                 "dilemma fleet fleet.toml --out plans\n"
                 "  dilemma fleet chat.problem.json code.problem.json --weights 2 1",
                 [&program, options] { return Run(program, *options); });
  command
      ->add_option("files", options->files,
                   "A fleet file (TOML, docs/formats.md), or bare problems (JSON) over the same servers")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--weights", options->weights,
                   "What a second of each problem's objective counts (default: 1 each)")
      ->check(CLI::Range(1e-9, 1e9));
  command->add_option("--out,-o", options->out, "Folder for the plans, NAME.plan.json for each model")
      ->capture_default_str();
  std::vector<std::string> methods;
  for (const std::string_view name : FleetMethods()) methods.emplace_back(name);
  command->add_option("--method", options->method, "How to plan")
      ->check(CLI::IsMember(methods))
      ->capture_default_str();
  command->add_option("--time-limit", options->time_limit_s, "Seconds; the best joint plan so far is kept")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command->add_option("--gap", options->gap, "Relative gap at which a joint plan counts as optimal")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

}  // namespace dilemma::cli
