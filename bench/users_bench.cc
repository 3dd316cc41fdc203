// Eight users at once on an emulated cluster of three servers: does the ring keep its busiest stage at work?
//
//   users_bench [--users N] [--seconds S] [--rounds R]
//
// Profiles the cluster, plans for throughput, and lets every user ask again as soon as it has its answer. The
// bound is what the busiest stage could do without a pause: tokens divided by the seconds it computed for
// them, prompts included. A round with half the users gives the cost of smaller groups, and from both the
// rate of the best grouping that a pipeline without queues and jitter could have.
//
// Checks itself: the median over the rounds of tokens per second is at least 0.85 of the bound, and no user
// gets less than half of the mean. Exit code 1 where that does not hold.
#include <algorithm>
#include <cmath>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/table.h"
#include "base/units.h"
#include "bench/outcome.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "model/gguf_reader.h"
#include "profiler/profiler.h"
#include "simulator/emulator.h"

namespace dilemma {
namespace {

constexpr double kWarmUpS = 4;  // until all prompts of the first answers are through
constexpr double kWantedShare = 0.85, kWantedFairness = 0.5;
constexpr int64_t kAnswer = 48;
const std::vector<std::string> kQuestions = {
    "Why is the sky blue?",
    "Name three rivers of Europe and tell where each of them begins.",
    "What does a gardener do in spring?",
    "Explain to a child how a bicycle stays upright while it is moving, and why it falls over when it stands "
    "still.",
};

Cluster ThreeServers() {
  Cluster cluster;
  cluster.name = "three";
  for (const auto& [name, slowdown] : {std::pair("one", 3.0), {"two", 4.0}, {"three", 5.0}}) {
    Server server;
    server.name = name;
    server.threads = 1;
    server.memory_bytes = int64_t{400} << 20;
    server.emulated_slowdown = slowdown;
    cluster.servers.push_back(server);
  }
  cluster.default_latency_s = 1e-3;
  cluster.default_bandwidth_bps = 100e6;
  return cluster;
}

// All batches of the ring with the time they ended, and every user's tokens.
class Recorder {
 public:
  struct Batch {
    double at_s = 0;
    BatchStats stats;
  };
  void Add(const BatchStats& stats) {
    const std::lock_guard lock(mutex_);
    batches_.push_back({since_start_.Seconds(), stats});
  }
  double Now() const { return since_start_.Seconds(); }
  std::vector<Batch> Between(double from_s, double to_s) const {
    const std::lock_guard lock(mutex_);
    std::vector<Batch> chosen;
    for (const Batch& batch : batches_) {
      if (batch.at_s >= from_s && batch.at_s < to_s) chosen.push_back(batch);
    }
    return chosen;
  }

 private:
  const Stopwatch since_start_;
  mutable std::mutex mutex_;
  std::vector<Batch> batches_;  // guarded by mutex_
};

struct Round {
  double seconds = 0, tokens = 0;
  std::vector<double> user_tokens;
  double longest_gap_s = 0;     // between two tokens of one answer
  std::vector<double> busy_s;   // by stage
  std::vector<double> group_s;  // by stage: median of decoding batches of the commonest size
  std::vector<double> wire_s;   // by stage: median, into it
  int64_t group_rows = 0;       // that size
  double Rate() const { return tokens / seconds; }
  double Bound() const { return tokens / *std::max_element(busy_s.begin(), busy_s.end()); }
  double Fairness() const {
    return *std::min_element(user_tokens.begin(), user_tokens.end()) *
           static_cast<double>(user_tokens.size()) / tokens;
  }
};

void CountStages(const std::vector<Recorder::Batch>& batches, Round* round) {
  std::map<int64_t, int> sizes;
  const auto decoding = [](const BatchStats& stats) {
    return stats.prompt_rows == 0 && stats.decode_rows > 0;
  };
  for (const auto& [at_s, stats] : batches) {
    if (decoding(stats)) ++sizes[stats.decode_rows];
  }
  for (const auto& [rows, count] : sizes) {
    if (round->group_rows == 0 || count > sizes[round->group_rows]) round->group_rows = rows;
  }
  const size_t stages = batches.empty() ? 0 : batches.front().stats.stages.size();
  for (size_t k = 0; k < stages; ++k) {
    double busy = 0;
    std::vector<double> group, wire;
    for (const auto& [at_s, stats] : batches) {
      busy += stats.stages[k].compute_s;
      if (!decoding(stats) || stats.decode_rows != round->group_rows) continue;
      group.push_back(stats.stages[k].compute_s);
      wire.push_back(stats.stages[k].wire_s);
    }
    round->busy_s.push_back(busy);
    round->group_s.push_back(Median(group));
    round->wire_s.push_back(Median(wire));
  }
}

// One user asks and asks again until the time is over.
struct User {
  absl::Status status;
  std::vector<double> token_at_s;
  double longest_gap_s = 0;
};

void Ask(Coordinator& coordinator, const Tokenizer& tokenizer, const Recorder& recorder, size_t number,
         double end_s, User* user) {
  for (size_t turn = number; recorder.Now() < end_s && !Interrupted(); ++turn) {
    GenerateRequest request;
    const auto text = tokenizer.ApplyChatTemplate({{"user", kQuestions[turn % kQuestions.size()]}});
    if (!text.ok()) return static_cast<void>(user->status = text.status());
    request.prompt = tokenizer.Encode(*text, true, true);
    request.max_tokens = kAnswer;
    double last_s = 0;
    const auto result = coordinator.Generate(request, [&](int32_t) {
      const double now_s = recorder.Now();
      if (last_s > 0) user->longest_gap_s = std::max(user->longest_gap_s, now_s - last_s);
      last_s = now_s;
      user->token_at_s.push_back(now_s);
      return now_s < end_s;
    });
    if (!result.ok() && !absl::IsCancelled(result.status()))
      return static_cast<void>(user->status = result.status());
  }
}

absl::StatusOr<Round> Measure(Coordinator& coordinator, const Tokenizer& tokenizer, Recorder& recorder,
                              int users, double seconds) {
  const double from_s = recorder.Now() + kWarmUpS, to_s = from_s + seconds;
  std::vector<User> asked(static_cast<size_t>(users));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < asked.size(); ++i) {
    threads.emplace_back([&, i] { Ask(coordinator, tokenizer, recorder, i, to_s, &asked[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  if (Interrupted()) return InterruptedStatus();
  Round round;
  round.seconds = seconds;
  for (const User& user : asked) {
    RETURN_IF_ERROR(user.status);
    const auto count = static_cast<double>(std::count_if(user.token_at_s.begin(), user.token_at_s.end(),
                                                         [&](double at) { return at >= from_s; }));
    round.user_tokens.push_back(count);
    round.tokens += count;
    round.longest_gap_s = std::max(round.longest_gap_s, user.longest_gap_s);
  }
  CountStages(recorder.Between(from_s, to_s), &round);
  if (round.busy_s.empty() || round.tokens == 0) return Internal("nothing was generated");
  return round;
}

// The best rate of decoding that groups of equal size could have, from the cost of two sizes of them: a round
// takes the busiest stage's time for all groups, or one group's way around, whichever is longer.
struct Ideal {
  double rate = 0;
  int groups = 1;
};
Ideal BestGrouping(const Round& small, const Round& large, int users) {
  Ideal best;
  const auto step = static_cast<double>(large.group_rows - small.group_rows);
  for (int groups = 1; groups <= users; ++groups) {
    const double rows = static_cast<double>(users) / groups;
    double busiest = 0, around = 0;
    for (size_t k = 0; k < large.group_s.size(); ++k) {
      const double per_row = step > 0 ? (large.group_s[k] - small.group_s[k]) / step : 0;
      const double time = small.group_s[k] + per_row * (rows - static_cast<double>(small.group_rows));
      busiest = std::max(busiest, time);
      around += time + large.wire_s[k];
    }
    const double rate = users / std::max(groups * busiest, around);
    if (rate > best.rate) best = {rate, groups};
  }
  return best;
}

absl::StatusOr<Plan> PlanFor(const ModelInfo& model, const std::string& sha256, const Cluster& cluster,
                             int users) {
  ProfileOptions options;
  options.menu = {*ParseTensorType("q4_0")};
  ASSIGN_OR_RETURN(const Profile profile, MeasureProfile(cluster, model, options));
  ASSIGN_OR_RETURN(const QualityTable quality, cli::LoadOrComputeQuality("", model, sha256, {"q4_0"}));
  Workload workload;
  workload.users = users;
  workload.context = 256;
  workload.prompt_tokens = 40;
  workload.output_tokens = kAnswer;
  PlanLimits limits;
  limits.objective = Objective::kThroughput;
  ASSIGN_OR_RETURN(const Problem problem, BuildProblem(model, cluster, profile, quality, workload, limits));
  ASSIGN_OR_RETURN(const auto solver, MakeSolver(kDefaultSolver));
  return cli::ToPlan({model, sha256, cluster, quality, workload}, problem,
                     solver->Solve(problem, SolveOptions{}));
}

absl::StatusOr<bool> Run(int users, double seconds, int rounds) {
  const auto path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(path));
  ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(path));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(path));
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-bench"));
  EmulatorOptions emulator;
  emulator.binary = DILEMMA_BINARY;
  emulator.work_dir = dir.path() / "nodes";
  ASSIGN_OR_RETURN(const auto emulated, EmulatedCluster::Start(ThreeServers(), emulator));
  ASSIGN_OR_RETURN(Plan plan, PlanFor(model, sha256, emulated->cluster(), users));
  RETURN_IF_ERROR(cli::WriteShards(model, plan, dir.path() / "shards"));
  cli::Print(cli::RenderPlan(plan, model));
  Recorder recorder;
  CoordinatorOptions options;
  options.end_tokens = {};  // every answer has the same length
  options.on_batch = [&](const BatchStats& stats) { recorder.Add(stats); };
  ASSIGN_OR_RETURN(const auto ring, cli::OpenPlan(plan, emulated->cluster(), dir.path() / "shards", options));

  Table table({">users", ">tokens/s", ">bound", ">share of it", ">least served user", ">longest gap",
               ">rows a group", "busy by stage"});
  const auto add = [&](const Round& round) {
    std::string busy;
    for (const double s : round.busy_s) busy += fmt::format("{:.0f} % ", 100 * s / round.seconds);
    table.Add({fmt::format("{}", round.user_tokens.size()), fmt::format("{:.1f}", round.Rate()),
               fmt::format("{:.1f}", round.Bound()), fmt::format("{:.2f}", round.Rate() / round.Bound()),
               fmt::format("{:.2f} of the mean", round.Fairness()), FormatDuration(round.longest_gap_s),
               fmt::format("{}", round.group_rows), busy});
  };
  ASSIGN_OR_RETURN(const Round single, Measure(*ring, *tokenizer, recorder, 1, seconds / 2));
  add(single);
  ASSIGN_OR_RETURN(const Round half, Measure(*ring, *tokenizer, recorder, std::max(1, users / 2), seconds));
  add(half);
  std::vector<double> shares, fairness, rates;
  Round last;
  for (int i = 0; i < rounds; ++i) {
    ASSIGN_OR_RETURN(last, Measure(*ring, *tokenizer, recorder, users, seconds));
    add(last);
    shares.push_back(last.Rate() / last.Bound());
    fairness.push_back(last.Fairness());
    rates.push_back(last.Rate());
  }
  const Ideal ideal = BestGrouping(half, last, users);
  cli::Print(table.ToString());
  const double share = Median(shares), fair = *std::min_element(fairness.begin(), fairness.end());
  cli::Print(
      fmt::format("{} users: {:.1f} tokens/s, {:.2f} times one user's; {:.2f} of the busiest stage's bound "
                  "(at least {:.2f}); the "
                  "least served user got {:.2f} of the mean (at least {:.1f})\nbest grouping without "
                  "prompts, queues and jitter: {} "
                  "groups, {:.1f} tokens/s\n",
                  users, Median(rates), Median(rates) / single.Rate(), share, kWantedShare, fair,
                  kWantedFairness, ideal.groups, ideal.rate));
  return share >= kWantedShare && fair >= kWantedFairness;
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  CLI::App app("Many users at once on an emulated cluster of three servers");
  int users = 8, rounds = 3;
  double seconds = 20;
  app.add_option("--users", users)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--seconds", seconds, "Of each round")->check(CLI::Range(1.0, 600.0))->capture_default_str();
  app.add_option("--rounds", rounds)->check(CLI::Range(1, 100))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  dilemma::CatchInterrupts();
  return dilemma::OutcomeOf(dilemma::Run(users, seconds, rounds));
}
