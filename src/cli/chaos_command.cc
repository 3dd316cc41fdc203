// Load on an emulated cluster while its servers are killed, stopped and cut off; and whether anybody noticed.
#include <algorithm>
#include <fstream>
#include <map>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/chaos_check.h"
#include "cli/chaos_load.h"
#include "cli/chaos_trouble.h"
#include "cli/command.h"
#include "cli/recovery_steps.h"
#include "cli/steps.h"
#include "model/gguf_reader.h"
#include "planner/make_plan.h"
#include "profiler/profiler.h"
#include "runtime/machine.h"
#include "simulator/emulator.h"

namespace dilemma::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kStandByS = 120, kWholeS = 60;
constexpr double kFlat = 1.1;                     // of a process' memory, late over early
constexpr int64_t kFlatSlack = int64_t{8} << 20;  // allocators keep what they like
const std::vector<std::string> kMenu = {"q8_0", "q5_1", "q5_0", "q4_0", "iq4_nl"};

struct Options {
  std::string model, cluster;
  RecoveryFlags recovery;
  std::vector<std::string> kinds = {"kill", "stop", "cut"};
  std::string every = "20 s", down, duration = "3 min";
  int users = 2;
  int64_t tokens = 64;
  std::string as_good_as = "q4_0";
};

// Resident bytes of every node, by server, and of this process ("coordinator"), over time.
using Memory = std::map<std::string, std::vector<int64_t>>;

struct Run {
  Plan plan;
  TensorBytes weights;  // of its shards, and of new ones
  fs::path dir;
  std::unique_ptr<EmulatedCluster> emulated;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<Trouble> troubles;
  Memory memory;
};

int64_t ResidentBytesOf(int pid) {
  std::ifstream statm(fmt::format("/proc/{}/statm", pid));
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * 4096;
}

absl::StatusOr<std::string> MeasureOrRead(const Options& options, const Cluster& cluster,
                                          const ModelInfo& model, const fs::path& dir) {
  if (!options.recovery.profile.empty()) return options.recovery.profile;
  ProfileOptions profile;
  for (const std::string& name : kMenu) {
    ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(name));
    profile.menu.push_back(type);
  }
  ProgressLine line("profiling");
  profile.progress = [&line](double fraction, std::string_view what) {
    line.Update(fraction, std::string(what));
    return !Interrupted();
  };
  ASSIGN_OR_RETURN(const Profile measured, MeasureProfile(cluster, model, profile));
  const fs::path path = dir / "profile.json";
  RETURN_IF_ERROR(WriteJson(path, ProfileToJson(measured)));
  return path.string();
}

// The plan for the whole cluster, and what it is made from.
absl::StatusOr<PlanInputs> MakeChaosPlan(const Options& options, const std::string& model_path, Run& run) {
  PlanInputs in;
  ASSIGN_OR_RETURN(in.model, ReadModel(model_path));
  ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(model_path));
  in.cluster = run.emulated->cluster();
  ASSIGN_OR_RETURN(const std::string profile, MeasureOrRead(options, in.cluster, in.model, run.dir));
  ASSIGN_OR_RETURN(in.profile, ReadProfile(profile));
  ASSIGN_OR_RETURN(in.quality, LoadOrComputeQuality(options.recovery.quality, in.model, sha256, kMenu));
  in.workload.users = options.users;
  in.workload.output_tokens = options.tokens;
  in.workload.context = 128 + options.tokens;
  ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(options.as_good_as));
  ASSIGN_OR_RETURN(in.limits.loss_budget, UniformLoss(in.quality, type));
  ASSIGN_OR_RETURN(const Problem problem, BuildProblem(in));
  ProgressLine line("planning");
  ASSIGN_OR_RETURN(const auto solver, MakeSolver(kDefaultSolver));
  const SolveResult result = solver->Solve(problem, MakeSolveOptions(30, 1e-3, line));
  line.Finish();
  ASSIGN_OR_RETURN(run.plan,
                   ToPlan({in.model, sha256, in.cluster, in.quality, in.workload}, problem, result));
  ASSIGN_OR_RETURN(run.weights, WeightsAsMeasured(in.model, options.recovery.quality));
  RETURN_IF_ERROR(WriteShards(in.model, run.plan, run.dir / "shards", run.weights));
  return in;
}

void Sample(Run& run) {
  for (const Server& server : run.emulated->cluster().servers) {
    if (const int pid = run.emulated->Pid(server.name); pid != 0)
      run.memory[server.name].push_back(ResidentBytesOf(pid));
  }
  run.memory["coordinator"].push_back(ResidentBytes());
}

void SayTrouble(const Trouble& trouble, bool begins) {
  const std::string what = trouble.kind == TroubleKind::kCut
                               ? fmt::format("link {} - {}", trouble.server, trouble.other)
                               : trouble.server;
  Say(fmt::format("{} {}", begins ? fmt::format("{}:", Name(trouble.kind)) : std::string("put right:"),
                  what));
}

absl::StatusOr<ScheduleOptions> ScheduleOf(const Options& options, const ResilientCoordinator& coordinator) {
  ScheduleOptions schedule;
  for (const std::string& kind : options.kinds) {
    ASSIGN_OR_RETURN(const TroubleKind parsed, ParseTroubleKind(kind));
    schedule.kinds.push_back(parsed);
  }
  ASSIGN_OR_RETURN(schedule.every_s, ParseDuration(options.every));
  ASSIGN_OR_RETURN(schedule.for_s, ParseDuration(options.duration));
  schedule.down_s = schedule.every_s / 2;
  if (!options.down.empty()) {
    ASSIGN_OR_RETURN(schedule.down_s, ParseDuration(options.down));
  }
  if (!(schedule.every_s > 0) || schedule.for_s < schedule.every_s || schedule.down_s >= schedule.every_s)
    return InvalidArgument("--down must be shorter than --every, and that not longer than --for");
  schedule.servers = [&coordinator] {
    const auto plan = coordinator.FindPlan(coordinator.state().plan);
    return plan.has_value() ? ServersOf(*plan) : std::vector<std::string>();
  };
  schedule.on_trouble = SayTrouble;
  return schedule;
}

// Load and trouble at once. The coordinator is closed when it returns.
absl::StatusOr<std::vector<ChaosRequest>> Disturb(const Options& options, ResilientCoordinator& coordinator,
                                                  Run& run) {
  ASSIGN_OR_RETURN(const ScheduleOptions schedule, ScheduleOf(options, coordinator));
  if (!coordinator.WaitForStandBy(kStandByS)) Say("stand-by plans are not all ready; going on without");
  ChaosLoad load(&coordinator, *run.tokenizer, options.users, options.tokens);
  std::atomic<bool> stop = false;
  std::thread sampler([&] {
    for (int tick = 0; !stop; ++tick) {
      if (tick % 10 == 0) Sample(run);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  run.troubles = RunSchedule(*run.emulated, schedule);
  load.Finish();
  stop = true;
  sampler.join();
  if (Interrupted()) return InterruptedStatus();
  return load.requests();
}

// Early and late: the second and the last quarter. The first one warms up.
std::pair<int64_t, int64_t> EarlyAndLate(const std::vector<int64_t>& bytes) {
  const auto middle = [&](size_t from, size_t to) {
    std::vector<double> part(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                             bytes.begin() + static_cast<std::ptrdiff_t>(to));
    return part.empty() ? int64_t{0} : static_cast<int64_t>(Median(part));
  };
  const size_t n = bytes.size();
  return {middle(n / 4, n / 2), middle(n - n / 4, n)};
}

std::vector<std::string> Growing(const Memory& memory) {
  std::vector<std::string> growing;
  for (const auto& [who, bytes] : memory) {
    const auto [early, late] = EarlyAndLate(bytes);
    // A node's size depends on the plan that runs; only this process' has one right value.
    if (who == "coordinator" && static_cast<double>(late) > static_cast<double>(early) * kFlat + kFlatSlack)
      growing.push_back(fmt::format("{} grew from {} to {}", who, FormatBytes(early), FormatBytes(late)));
  }
  return growing;
}

// What was seen while it lasted. Told before the check, which may take as long.
std::string LoadReport(const Run& run, const std::vector<ChaosRequest>& requests,
                       const RecoveryState& state) {
  Table events({"trouble", "where", ">next token after"});
  std::vector<double> waits;
  for (const Trouble& trouble : run.troubles) {
    waits.push_back(SecondsToNextToken(requests, trouble));
    events.Add({std::string(Name(trouble.kind)),
                trouble.kind == TroubleKind::kCut ? trouble.server + " - " + trouble.other : trouble.server,
                fmt::format("{:.2f} s", waits.back())});
  }
  Table memory({"process", ">early", ">late"});
  for (const auto& [who, bytes] : run.memory) {
    const auto [early, late] = EarlyAndLate(bytes);
    memory.Add({who, FormatBytes(early), FormatBytes(late)});
  }
  std::string text = "\n" + events.ToString();
  if (!waits.empty()) {
    text += fmt::format("next token: median {:.2f} s, at most {:.2f} s\n", Median(waits),
                        *std::max_element(waits.begin(), waits.end()));
  }
  text += "\n" + memory.ToString() + "\n";
  return text + fmt::format("{} losses, {} re-openings, {} of them on another plan\n", state.losses,
                            state.recoveries, state.replans);
}

std::string VerdictReport(const ChaosVerdict& verdict) {
  std::string text = fmt::format(
      "{} requests: {} as undisturbed, {} marked as re-planned and as their plans say, {} wrong or lost; "
      "{} went over more than one ring\n",
      verdict.requests, verdict.same, verdict.replanned, verdict.wrong.size(), verdict.recovered);
  for (const std::string& wrong : verdict.wrong) text += "wrong: " + wrong + "\n";
  return text;
}

Json ToJson(const Run& run, const std::vector<ChaosRequest>& requests, const ChaosVerdict& verdict,
            const RecoveryState& state) {
  Json troubles = Json::array(), memory = Json::object();
  for (const Trouble& trouble : run.troubles) {
    troubles.push_back({{"kind", Name(trouble.kind)},
                        {"server", trouble.server},
                        {"other", trouble.other},
                        {"next_token_s", SecondsToNextToken(requests, trouble)}});
  }
  for (const auto& [who, bytes] : run.memory) {
    const auto [early, late] = EarlyAndLate(bytes);
    memory[who] = {{"early_bytes", early}, {"late_bytes", late}};
  }
  return {{"requests", verdict.requests},   {"same", verdict.same},     {"replanned", verdict.replanned},
          {"recovered", verdict.recovered}, {"wrong", verdict.wrong},   {"losses", state.losses},
          {"recoveries", state.recoveries}, {"replans", state.replans}, {"troubles", std::move(troubles)},
          {"memory", std::move(memory)}};
}

absl::Status WaitUntilWhole(const EmulatedCluster& emulated) {
  const std::vector<std::string> servers = UsableServers(emulated.cluster());
  const int64_t end_ns = MonotonicNanos() + static_cast<int64_t>(kWholeS * 1e9);
  while (!DeadServers(emulated.cluster(), servers, 1, 1).empty()) {
    if (Interrupted()) return InterruptedStatus();
    if (MonotonicNanos() > end_ns) return Unavailable("not all servers came back");
  }
  return absl::OkStatus();
}

absl::Status RunChaos(const Program& program, const Options& options) {
  const fs::path model = options.model.empty() ? CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
                                               : fs::path(options.model);
  ASSIGN_OR_RETURN(const Cluster cluster, ReadCluster(options.cluster));
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-chaos"));
  Run run;
  run.dir = dir.path();
  ASSIGN_OR_RETURN(run.tokenizer, Tokenizer::Load(model));
  EmulatorOptions emulator;
  emulator.binary = program.executable;
  emulator.work_dir = run.dir / "nodes";
  ASSIGN_OR_RETURN(run.emulated, EmulatedCluster::Start(cluster, emulator));
  RecoveryOptions recovery;
  ASSIGN_OR_RETURN(recovery.inputs, MakeChaosPlan(options, model.string(), run));
  recovery.replan.allow_worse = options.recovery.allow_worse;
  recovery.replan.weights = run.weights;
  recovery.stand_by = options.recovery.stand_by;
  recovery.on_event = [](const RecoveryEvent& event) { Say(Describe(event)); };
  recovery.ring = QuickToNotice({});
  recovery.ring.end_tokens = run.tokenizer->EndOfGenerationTokens();
  ASSIGN_OR_RETURN(auto coordinator, ResilientCoordinator::Open(run.plan, run.emulated->cluster(),
                                                                run.dir / "shards", recovery));
  ASSIGN_OR_RETURN(const std::vector<ChaosRequest> requests, Disturb(options, *coordinator, run));
  const RecoveryState state = coordinator->state();
  coordinator->Close();
  RETURN_IF_ERROR(WaitUntilWhole(*run.emulated));
  if (!program.json) Print(LoadReport(run, requests, state));
  ProgressLine line("checking every answer against undisturbed runs of its plans");
  const auto find_plan = [&](const std::string& id) { return coordinator->FindPlan(id); };
  ASSIGN_OR_RETURN(const ChaosVerdict verdict,
                   CheckAnswers(requests, PlanId(run.plan), find_plan, run.emulated->cluster(),
                                run.dir / "shards", recovery.ring, [&](size_t done, size_t parts) {
                                  line.Update(static_cast<double>(done) / static_cast<double>(parts),
                                              fmt::format("part {} of {}", done + 1, parts));
                                }));
  line.Finish();
  if (program.json) {
    PrintJson(ToJson(run, requests, verdict, state));
  } else {
    Print(VerdictReport(verdict));
  }
  if (!verdict.good())
    return absl::DataLossError(fmt::format("{} requests went wrong", verdict.wrong.size()));
  const std::vector<std::string> growing = Growing(run.memory);
  if (!growing.empty()) return absl::ResourceExhaustedError(growing.front());
  return absl::OkStatus();
}

}  // namespace

void AddChaos(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(
      program, "chaos",
      "Load an emulated cluster while its servers are killed, stopped and cut off, and check every answer",
      "dilemma chaos examples/four-servers.toml --every \"20 s\" --for \"3 min\" --allow-worse --stand-by",
      [&program, options] { return RunChaos(program, *options); });
  command->add_option("cluster", options->cluster, "A cluster file (TOML)")->required();
  command->add_option("--model", options->model,
                      "GGUF file (default: the one that scripts/model.sh fetches)");
  command->add_option("--kinds", options->kinds, "Trouble, in turn: kill, stop, cut")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--every", options->every, "Between one trouble and the next")->capture_default_str();
  command->add_option("--down", options->down, "How long each lasts (default: half of --every)");
  command->add_option("--for", options->duration, "How long all of it lasts")->capture_default_str();
  command->add_option("--users", options->users, "Who ask without pause")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--max-tokens,-n", options->tokens, "Of each answer")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->capture_default_str();
  command->add_option("--as-good-as", options->as_good_as, "Loss budget: this type throughout")
      ->capture_default_str();
  command->add_option("--profile,-p", options->recovery.profile,
                      "Of such a cluster (default: it is measured)");
  command->add_option("--quality", options->recovery.quality, "Quality table (default: weight difference)");
  command->add_flag("--allow-worse", options->recovery.allow_worse,
                    "Plans outside the loss budget may be used");
  command->add_flag("--stand-by", options->recovery.stand_by, "Prepare for the loss of each server ahead");
}

}  // namespace dilemma::cli
