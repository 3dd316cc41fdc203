// The main job, whole: an emulated cluster, profile, plan, quantize, ship, answer; and the same for what
// people do today.
#include "base/file.h"
#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "demo_cluster.h"
#include "model/gguf_reader.h"
#include "planner/baselines.h"
#include "profiler/profiler.h"
#include "simulator/emulator.h"
#include "study/plan_inputs.h"

namespace dilemma::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 3;  // one answer of each method in each of them; medians are shown

struct Options {
  std::string model, cluster, keep;
  std::string prompt = "Why is the sky blue?";
  std::string method{kDefaultSolver};
  int64_t tokens = 48;
};

// One way to place the model, planned and run.
struct Contender {
  std::string name, method, summary;
  Plan plan;
  bool planned = false;
  std::string reason;                      // why it was not planned or did not run
  std::vector<double> token_s, prefill_s;  // of all its answers
  Answer answer;                           // the last one; its times are medians of all
  bool ran = false;
};

// All that the steps share.
struct Stage {
  ModelInfo model;
  std::string sha256;
  fs::path dir;
  std::unique_ptr<EmulatedCluster> emulated;
  std::unique_ptr<Tokenizer> tokenizer;
  Profile profile;
  QualityTable quality;
  Workload workload;
};

void Heading(int step, const std::string& text) { Say(fmt::format("\n[{}/5] {}", step, text)); }

absl::StatusOr<fs::path> FindModel(const Options& options) {
  const fs::path path = options.model.empty() ? CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
                                              : fs::path(options.model);
  if (fs::exists(path)) return path;
  return NotFound("'{}' is not there; fetch it with scripts/model.sh, or give a GGUF file with --model",
                  path.string());
}

absl::Status StartCluster(const Program& program, const Options& options, Stage& stage) {
  ASSIGN_OR_RETURN(const Cluster cluster, options.cluster.empty()
                                              ? ParseCluster(kDemoCluster, "four-servers.toml")
                                              : ReadCluster(options.cluster));
  EmulatorOptions emulator;
  emulator.binary = program.executable;
  emulator.work_dir = stage.dir / "nodes";
  ASSIGN_OR_RETURN(stage.emulated, EmulatedCluster::Start(cluster, emulator));
  RETURN_IF_ERROR(WriteFileAtomically(stage.dir / "cluster.toml", ClusterToToml(stage.emulated->cluster())));
  if (!program.json) Print(RenderCluster(cluster));
  return absl::OkStatus();
}

absl::Status MeasureCluster(const Program& program, Stage& stage) {
  // the menu of the demo: what a small CPU runs well; `plan --types` takes any other
  const std::vector<std::string> menu = {"q8_0", "q5_1", "q5_0", "q4_0", "iq4_nl"};
  ASSIGN_OR_RETURN(stage.quality, LoadOrComputeQuality("", stage.model, stage.sha256, menu));
  ProfileOptions options;
  for (const std::string& name : menu) {
    ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(name));
    options.menu.push_back(type);
  }
  ProgressLine line("profiling");
  options.progress = [&line](double fraction, std::string_view what) {
    line.Update(fraction, std::string(what));
    return true;
  };
  ASSIGN_OR_RETURN(stage.profile, MeasureProfile(stage.emulated->cluster(), stage.model, options));
  line.Finish();
  RETURN_IF_ERROR(WriteJson(stage.dir / "profile.json", ProfileToJson(stage.profile)));
  if (!program.json) Print(RenderProfile(stage.profile));
  return absl::OkStatus();
}

// `method` is a solver or a baseline.
struct Approach {
  std::string name, method, summary;
  std::optional<double> budget;
};

absl::StatusOr<Contender> PlanOne(Stage& stage, const Approach& approach) {
  Contender contender;
  contender.name = approach.name;
  contender.method = approach.method;
  contender.summary = approach.summary;
  PlanLimits limits;
  limits.loss_budget = approach.budget;
  ASSIGN_OR_RETURN(const Problem problem, BuildProblem(stage.model, stage.emulated->cluster(), stage.profile,
                                                       stage.quality, stage.workload, limits));
  ProgressLine line("planning " + approach.name);
  const SolveOptions options = MakeSolveOptions(60, 1e-6, line);
  absl::StatusOr<SolveResult> result;
  const auto solvers = SolverNames();
  if (std::find(solvers.begin(), solvers.end(), approach.method) != solvers.end()) {
    ASSIGN_OR_RETURN(const auto solver, MakeSolver(approach.method));
    result = solver->Solve(problem, options);
  } else {
    result = RunBaseline(approach.method, problem, options);
  }
  if (!result.ok()) return result.status();
  if (Interrupted()) return InterruptedStatus();
  if (!result->HasAssignment()) {
    contender.reason = result->reason;
    return contender;
  }
  ASSIGN_OR_RETURN(contender.plan, ToPlan({stage.model, stage.sha256, stage.emulated->cluster(),
                                           stage.quality, stage.workload},
                                          problem, *result));
  contender.planned = true;
  return contender;
}

// Ours comes last: its budget is the best quality that the splits reach, so that it is compared at equal or
// better; and once more at a quarter of that loss, beside those that decide in two steps.
absl::StatusOr<std::vector<Contender>> PlanAll(Stage& stage, const std::string& method) {
  std::vector<Contender> contenders;
  std::optional<double> budget;
  for (const Approach& split :
       {Approach{"even split", "even-split", "equal shares, the fastest single type that fits", {}},
        Approach{"greedy", "greedy-memory", "biggest memory first, the fastest single type that fits", {}}}) {
    ASSIGN_OR_RETURN(Contender contender, PlanOne(stage, split));
    if (contender.planned) budget = std::min(budget.value_or(contender.plan.loss), contender.plan.loss);
    contenders.push_back(std::move(contender));
  }
  if (!budget.has_value()) {
    ASSIGN_OR_RETURN(const TensorType q4, ParseTensorType("q4_0"));
    ASSIGN_OR_RETURN(budget, UniformLoss(stage.quality, q4));
  }
  const double quarter = *budget / 4;
  for (const Approach& approach :
       {Approach{"place, then quantize", "place-then-quantize", "placement first, bits afterwards", budget},
        Approach{"place, then quantize, loss / 4", "place-then-quantize", "the same, a quarter of the loss",
                 quarter},
        Approach{"quantize, then place", "quantize-then-place", "bits first, placement afterwards", budget},
        Approach{"ours, loss / 4", method, "decided jointly, a quarter of the loss", quarter},
        Approach{"ours", method, "server and bits decided jointly", budget}}) {
    ASSIGN_OR_RETURN(Contender contender, PlanOne(stage, approach));
    contenders.push_back(std::move(contender));
  }
  return contenders;
}

// "ours, loss / 4" -> "ours-loss-4.plan.json"
std::string PlanFile(const Contender& contender) {
  std::string name;
  for (const char c : contender.name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  return name + ".plan.json";
}

absl::Status Quantize(Stage& stage, Contender& contender) {
  RETURN_IF_ERROR(WriteShards(stage.model, contender.plan, stage.dir / "shards"));
  return WriteJson(stage.dir / PlanFile(contender), PlanToJson(contender.plan));
}

// One answer, over a ring that is opened for it.
absl::Status AnswerOnce(const Program& program, const Options& options, Stage& stage, Contender& contender,
                        bool aloud) {
  ASSIGN_OR_RETURN(const auto coordinator, OpenPlan(contender.plan, stage.emulated->cluster(),
                                                    stage.dir / "shards", *stage.tokenizer));
  PromptOptions prompt;
  prompt.prompt = options.prompt;
  prompt.max_tokens = options.tokens;
  auto answer = Ask(*coordinator, *stage.tokenizer, prompt, [&](const std::string& text) {
    if (aloud && !program.json) Print(text);
  });
  if (!answer.ok()) return Interrupted() ? InterruptedStatus() : answer.status();
  coordinator->Close();
  const auto& times = answer->result.token_s;
  contender.token_s.insert(contender.token_s.end(), times.begin(), times.end());
  contender.prefill_s.push_back(answer->result.prefill_s);
  contender.answer = *std::move(answer);
  contender.answer.decode_s = Median(contender.token_s);
  contender.answer.result.prefill_s = Median(contender.prefill_s);
  contender.ran = true;
  return absl::OkStatus();
}

Json ToJson(const std::vector<Contender>& contenders) {
  Json list = Json::array();
  for (const Contender& c : contenders) {
    Json entry = {
        {"name", c.name}, {"method", c.method}, {"planned", c.planned}, {"ran", c.ran}, {"reason", c.reason}};
    if (c.planned) entry["plan"] = PlanToJson(c.plan);
    if (c.ran) {
      entry["measured"] = {{"decode_ms", c.answer.decode_s * 1e3},
                           {"prefill_ms", c.answer.result.prefill_s * 1e3}};
      entry["predicted"] = {{"decode_ms", c.plan.predicted.decode_s * 1e3},
                            {"prefill_ms", c.plan.predicted.prefill_s * 1e3}};
      entry["text"] = c.answer.text;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

std::string Comparison(const std::vector<Contender>& contenders) {
  Table table(
      {"method", ">ms/token predicted", ">measured", ">first token predicted", ">measured", ">loss", "how"});
  for (const Contender& c : contenders) {
    if (!c.planned) {
      table.Add({c.name, "-", "-", "-", "-", "-", "does not fit: " + c.reason});
      continue;
    }
    table.Add({c.name, fmt::format("{:.2f}", c.plan.predicted.decode_s * 1e3),
               c.ran ? fmt::format("{:.2f}", c.answer.decode_s * 1e3) : "-",
               fmt::format("{:.0f} ms", c.plan.predicted.prefill_s * 1e3),
               c.ran ? fmt::format("{:.0f} ms", c.answer.result.prefill_s * 1e3) : "-",
               fmt::format("{:.5f}", c.plan.loss), c.ran ? c.summary : c.reason});
  }
  std::string out = table.ToString();
  const Contender& ours = contenders.back();
  for (const Contender& c : contenders) {
    if (&c == &ours || !c.ran || !ours.ran) continue;
    out += fmt::format("{} takes {:.2f} times as long a token as {} (loss {:.2f} times)\n", c.name,
                       c.answer.decode_s / ours.answer.decode_s, ours.name,
                       ours.plan.loss > 0 ? c.plan.loss / ours.plan.loss : 0.0);
  }
  return out;
}

// One that fails is told in the table, and the others go on.
absl::Status Settle(Contender& contender, const absl::Status& status) {
  if (status.ok() || absl::IsCancelled(status)) return status;
  contender.ran = false;
  contender.reason = "failed: " + std::string(Message(status));
  return absl::OkStatus();
}

// Each in turn, so that a machine whose speed drifts drifts for all. `ours`, the last, has answered once.
absl::Status RunRounds(const Program& program, const Options& options, Stage& stage,
                       std::vector<Contender>& contenders) {
  const Contender& ours = contenders.back();
  const auto runs = [](const Contender& c) { return c.planned && c.reason.empty(); };
  for (Contender& contender : contenders) {
    if (&contender == &ours || !runs(contender)) continue;
    RETURN_IF_ERROR(Settle(contender, Quantize(stage, contender)));
  }
  ProgressLine line("measuring");
  double done = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (Contender& contender : contenders) {
      line.Update(done++ / static_cast<double>(kRounds * contenders.size()), contender.name);
      if (!runs(contender) || (&contender == &ours && round == 0)) continue;
      const auto status = AnswerOnce(program, options, stage, contender, false);
      RETURN_IF_ERROR(&contender == &ours ? status : Settle(contender, status));
    }
  }
  line.Finish();
  return absl::OkStatus();
}

absl::Status RunContenders(const Program& program, const Options& options, Stage& stage,
                           std::vector<Contender>& contenders) {
  Contender& ours = contenders.back();
  Heading(3, "Quantizing the layers to the plan and shipping each server only its own");
  RETURN_IF_ERROR(Quantize(stage, ours));
  Heading(4, fmt::format("\"{}\", answered across {} servers:", options.prompt, ours.plan.stages.size()));
  RETURN_IF_ERROR(AnswerOnce(program, options, stage, ours, true));
  if (!program.json) Print("\n\n" + RenderMeasured(ours.plan, ours.answer.result, ours.answer.decode_s));
  Heading(5, "The same servers and links, as people place models today");
  return RunRounds(program, options, stage, contenders);
}

absl::Status Run(const Program& program, const Options& options) {
  Stage stage;
  ASSIGN_OR_RETURN(const fs::path model_path, FindModel(options));
  ASSIGN_OR_RETURN(stage.model, ReadModel(model_path));
  ASSIGN_OR_RETURN(stage.sha256, Sha256OfFile(model_path));
  ASSIGN_OR_RETURN(stage.tokenizer, Tokenizer::Load(model_path));
  ASSIGN_OR_RETURN(const TempDir temporary, TempDir::Create("dilemma-demo"));
  stage.dir = options.keep.empty() ? temporary.path() : fs::path(options.keep);
  std::error_code error;
  fs::create_directories(stage.dir, error);
  if (error) return FailedPrecondition("cannot create folder '{}': {}", stage.dir.string(), error.message());
  const auto prompt = stage.tokenizer->ApplyChatTemplate({{"user", options.prompt}});
  stage.workload.prompt_tokens = static_cast<int64_t>(
      stage.tokenizer->Encode(prompt.ok() ? *prompt : options.prompt, true, true).size());
  stage.workload.output_tokens = options.tokens;

  Heading(1, fmt::format("An emulated edge cluster, and its profile ({})", stage.model.name));
  RETURN_IF_ERROR(StartCluster(program, options, stage));
  RETURN_IF_ERROR(MeasureCluster(program, stage));
  Heading(2, "The plan: which server runs each layer, and at how many bits");
  ASSIGN_OR_RETURN(std::vector<Contender> contenders, PlanAll(stage, options.method));
  const Contender& ours = contenders.back();
  if (!ours.planned) return FailedPrecondition("no plan fits this cluster: {}", ours.reason);
  if (!program.json) Print(RenderPlan(ours.plan, stage.model) + "\n" + RenderRing(ours.plan, stage.model));
  RETURN_IF_ERROR(RunContenders(program, options, stage, contenders));
  if (program.json) {
    PrintJson({{"contenders", ToJson(contenders)}});
  } else {
    Print(Comparison(contenders));
    if (!options.keep.empty()) Print(fmt::format("\nplans, profile and shards are in {}\n", options.keep));
  }
  stage.emulated->Stop();
  return absl::OkStatus();
}

}  // namespace

void AddDemo(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(program, "demo",
                                 "The main job on an emulated cluster: profile, plan, quantize, ship, answer",
                                 "dilemma demo --prompt \"What is the capital of France?\"",
                                 [&program, options] { return Run(program, *options); });
  command->add_option("--model", options->model,
                      "A GGUF file (default: SmolLM2-135M-Instruct, see scripts/model.sh)");
  command->add_option("--cluster,-c", options->cluster,
                      "A cluster file (default: examples/four-servers.toml, built in)");
  command->add_option("--prompt", options->prompt, "What to ask")->capture_default_str();
  command->add_option("--max-tokens,-n", options->tokens, "Length of the answer at most")
      ->check(CLI::Range(int64_t{2}, int64_t{400}))
      ->capture_default_str();
  command->add_option("--method", options->method, "Solver")->capture_default_str();
  command->add_option("--keep", options->keep, "Keep plans, profile, shards and logs in this folder");
}

}  // namespace dilemma::cli
