#include "study/replan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/make_plan.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

constexpr int kLayers = 4;
constexpr const char* kTypes[] = {"q8_0", "q4_0"};

// Three servers, "edge-a" much better than the others, a model of 1 MiB units.
PlanInputs Inputs() {
  PlanInputs in;
  in.model.name = "m";
  in.model.n_embd = 256;
  in.model.n_layer = kLayers;
  for (int u = 0; u < kLayers + 2; ++u) {
    Unit unit;
    unit.kind = u == 0 ? UnitKind::kEmbedding : u > kLayers ? UnitKind::kHead : UnitKind::kLayer;
    unit.layer = u == 0 || u > kLayers ? -1 : u - 1;
    unit.kv_bytes_per_token = unit.kind == UnitKind::kLayer ? 512 : 0;
    in.model.units.push_back(unit);
    UnitQuality quality;
    quality.unit = unit.Label();
    for (const char* type : kTypes)
      quality.choices.push_back(
          {*TypeMix::Parse(type), type[1] == '8' ? 1 << 20 : 1 << 19, type[1] == '8' ? 0.0 : 0.1});
    in.quality.units.push_back(quality);
  }
  in.cluster.name = "three";
  in.profile.decode_context = 64;
  in.profile.prefill_chunk = 64;
  std::vector<std::string> places = {std::string(kUser)};
  for (const char* name : {"edge-a", "edge", "b"}) {
    Server server;
    server.name = name;
    server.memory_bytes = 3 << 20;
    in.cluster.servers.push_back(server);
    places.push_back(name);
    ServerProfile profile;
    profile.server = name;
    const double slow = server.name == "edge-a" ? 1 : server.name == "edge" ? 2 : 3;
    for (const char* type : kTypes)
      for (const char* kind : {"embedding", "layer", "head"})
        profile.times[kind][type] = {1e-3 * slow * (type[1] == '8' ? 2 : 1), 0, 1e-3 * slow, 1e-4 * slow};
    in.profile.servers.push_back(profile);
  }
  for (const std::string& from : places)
    for (const std::string& to : places)
      if (from != to) in.profile.links.push_back({from, to, 1e-3, 100e6});
  in.workload.context = 256;
  in.limits.loss_budget = 10;
  return in;
}

Plan PlanOf(const PlanInputs& in) {
  const Problem problem = *BuildProblem(in);
  return *MakePlan(problem, (*MakeSolver("brute"))->Solve(problem, {}), {});
}

Replanned Again(const Plan& old, const PlanInputs& in, double requests, Problem* problem = nullptr) {
  Problem local = *BuildProblem(in);
  ReplanOptions options;
  options.serve_requests = requests;
  const auto replanned = Replan(old, in, local, options);
  EXPECT_TRUE(replanned.ok()) << replanned.status();
  if (problem != nullptr) *problem = local;
  return *replanned;
}

TEST(Replan, NothingChangedNothingMoves) {
  const PlanInputs in = Inputs();
  const Replanned again = Again(PlanOf(in), in, 100);
  EXPECT_EQ(again.result.status, SolveStatus::kOptimal);
  EXPECT_TRUE(again.moves.empty());
  EXPECT_EQ(again.old_breaks, "");
  EXPECT_NEAR(again.old_request_s, again.result.objective_s, 1e-12);
}

TEST(Replan, WeighsMovingAgainstDelayExactly) {
  const Plan old = PlanOf(Inputs());
  int moved = 0, stayed = 0;
  for (const char* change : {"link edge-a-edge 1 Mbit/s", "slowdown edge-a 2.5", "memory edge-a 2 MiB",
                             "users 4", "max-loss 0.2", "without edge-a", "link user-edge 2 kbit/s, 30 ms"}) {
    for (const double requests : {1e-4, 10.0, 1e6}) {
      SCOPED_TRACE(fmt::format("{} over {}", change, requests));
      PlanInputs in = Inputs();
      ASSERT_TRUE(ApplyChange(change, in).ok());
      Problem problem;
      const Replanned again = Again(old, in, requests, &problem);
      const SolveResult truth = (*MakeSolver("brute"))->Solve(problem, {});
      ASSERT_EQ(again.result.HasAssignment(), truth.HasAssignment());
      if (!truth.HasAssignment()) continue;
      EXPECT_EQ(again.result.status, SolveStatus::kOptimal);
      EXPECT_NEAR(again.result.objective_s, truth.objective_s, 1e-5 * truth.objective_s);
      const Evaluation e = Evaluate(problem, again.result.assignment);
      EXPECT_NEAR(e.move_s * requests, again.move_s, 1e-9 * again.move_s);
      (again.moves.empty() ? stayed : moved)++;
      if (again.old_breaks.empty()) {
        EXPECT_LE(again.result.objective_s, again.old_request_s * (1 + 1e-9));
      } else {
        EXPECT_FALSE(again.moves.empty());
      }
    }
  }
  EXPECT_GT(moved, 3);
  EXPECT_GE(stayed, 3);
}

TEST(Replan, KeepsWhatStaysAndCountsWhatMoves) {
  const PlanInputs in = Inputs();
  Plan old = PlanOf(in);
  for (PlanStage& stage : old.stages) stage.shard = std::string(64, 'c');
  Plan plan = old;
  EXPECT_EQ(KeepShards(old, plan), 0);
  plan.stages[0].types[0] = *TypeMix::Parse("q5_0");
  plan.stages[0].shard = "";
  EXPECT_EQ(KeepShards(old, plan), plan.stages[0].weight_bytes);
  EXPECT_EQ(plan.stages[0].shard, "");
  for (PlanStage& stage : old.stages) stage.server = "gone";
  const Replanned again = Again(old, in, 100);
  int64_t bytes = 0;
  for (const Move& move : again.moves) bytes += move.bytes;
  EXPECT_EQ(bytes, again.moved_bytes);
  int units = 0;
  for (const Move& move : again.moves) units += move.last_unit - move.first_unit + 1;
  EXPECT_EQ(units, kLayers + 2);
  EXPECT_THAT(again.old_breaks, HasSubstr("not there any more"));
}

TEST(Change, EditsWhatItSays) {
  PlanInputs in = Inputs();
  for (const char* text :
       {"link edge-a-b 20 Mbit/s", "link b->edge 7 ms", "memory b 64 MiB", "disk b 1 GiB", "without edge",
        "users +2", "context 512", "max-servers 2", "max-loss 0.5", "slowdown b 2"})
    ASSERT_TRUE(ApplyChange(text, in).ok()) << text << ": " << ApplyChange(text, in);
  EXPECT_EQ(in.profile.Link("edge-a", "b")->bandwidth_bps, 20e6);
  EXPECT_EQ(in.profile.Link("b", "edge-a")->bandwidth_bps, 20e6);
  EXPECT_EQ(in.profile.Link("b", "edge")->latency_s, 7e-3);
  EXPECT_EQ(in.profile.Link("edge", "b")->latency_s, 1e-3);
  EXPECT_EQ(in.cluster.servers[2].memory_bytes, 64 << 20);
  EXPECT_EQ(in.cluster.servers[2].disk_bytes, 1 << 30);
  EXPECT_TRUE(in.cluster.servers[1].forbidden);
  EXPECT_EQ(in.workload.users, 3);
  EXPECT_EQ(in.workload.context, 512);
  EXPECT_EQ(in.limits.max_servers, 2);
  EXPECT_EQ(in.limits.loss_budget, 0.5);
  EXPECT_DOUBLE_EQ(in.profile.servers[2].times["layer"]["q4_0"].decode_s, 6e-3);
}

TEST(Change, RefusesWhatItDoesNotUnderstand) {
  PlanInputs in = Inputs();
  for (const char* text : {"", "link", "link edge-c 1 ms", "link b-b 1 ms", "link edge-b fast", "link edge-b",
                           "memory b", "memory c 1 MiB", "memory b -1 MiB", "users", "users many", "users -1",
                           "slowdown b 0", "slowdown b nan", "max-loss -1", "without", "without b c",
                           "buy a server", "users 99999999999999999999"}) {
    const absl::Status status = ApplyChange(text, in);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("change '"));
  }
}

}  // namespace
}  // namespace dilemma
