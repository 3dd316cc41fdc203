// Joint planning on small random fleets: every method against trying every joint plan, infeasible ones
// included.
#include "fleet/fleet.h"

#include <cmath>
#include <functional>
#include <string>

#include "fleet/fleet_solver.h"
#include "fleet/fleet_validate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"

namespace dilemma {
namespace {

using ::testing::HasSubstr;

constexpr double kTolerance = 2e-6;

// `models` problems of different sizes over the same servers, whose memory (disk, time) the models must
// share.
Fleet RandomFleet(RandomShape shape, int models, double room, uint64_t seed) {
  std::vector<NamedProblem> problems;
  for (int k = 0; k < models; ++k) {
    RandomShape own = shape;
    own.units = shape.units - (k % 2);
    NamedProblem named{"model" + std::to_string(k), 1.0 + 0.7 * k,
                       RandomProblem(own, seed * 101 + static_cast<uint64_t>(k))};
    if (k > 0) {
      const Problem& first = problems[0].problem;
      named.problem.memory_bytes = first.memory_bytes;
      named.problem.disk_bytes = first.disk_bytes;
      named.problem.busy_limit_s = first.busy_limit_s;
    }
    problems.push_back(std::move(named));
  }
  for (NamedProblem& named : problems) {
    for (int64_t& bytes : named.problem.memory_bytes)
      bytes = static_cast<int64_t>(static_cast<double>(bytes) * room);
    for (int64_t& bytes : named.problem.disk_bytes)
      if (bytes != kNoLimit) bytes = static_cast<int64_t>(static_cast<double>(bytes) * room);
    for (double& seconds : named.problem.busy_limit_s) seconds *= room;
  }
  return *MakeFleet(std::move(problems));
}

// Every assignment of a model that keeps its own limits.
std::vector<Assignment> AllPlans(const Fleet& fleet, int k) {
  std::vector<int> all;
  for (int n = 0; n < fleet.servers(); ++n) all.push_back(n);
  const Problem p = fleet.models[static_cast<size_t>(k)]->Over(all);
  std::vector<Assignment> plans;
  Assignment now;
  const std::function<void()> extend = [&] {
    if (static_cast<int>(now.size()) == p.units) {
      if (Evaluate(p, now).ok()) plans.push_back(now);
      return;
    }
    for (int n = 0; n < p.servers; ++n)
      for (int q = 0; q < p.types; ++q) {
        now.push_back({n, q});
        extend();
        now.pop_back();
      }
  };
  extend();
  return plans;
}

// The least objective of any joint plan; kNever where there is none.
double BruteForce(const Fleet& fleet) {
  std::vector<std::vector<Assignment>> plans;
  for (int k = 0; k < fleet.size(); ++k) plans.push_back(AllPlans(fleet, k));
  double best = kNever;
  JointAssignment now;
  const std::function<void()> extend = [&] {
    if (now.size() == plans.size()) {
      const FleetEvaluation e = EvaluateFleet(fleet, now);
      if (e.ok()) best = std::min(best, e.objective_s);
      return;
    }
    for (const Assignment& plan : plans[now.size()]) {
      now.push_back(plan);
      extend();
      now.pop_back();
    }
  };
  extend();
  return best;
}

struct Family {
  std::string name;
  RandomShape shape;
  int models = 2, seeds = 10;
  double room = 1.3;
};
void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

RandomShape Small(int units, int servers) {
  RandomShape shape;
  shape.units = units;
  shape.servers = servers;
  shape.types = 2;
  shape.tightness = 1.3;
  return shape;
}

std::vector<Family> Families() {
  std::vector<Family> families = {{"Plain", Small(3, 3), 2, 12, 1.4},
                                  {"Tight", Small(3, 2), 2, 20, 1.0},
                                  {"Three", Small(3, 2), 3, 10, 2.2}};
  Family any{"AnyBlocks", Small(3, 3), 2, 10, 1.3};
  any.shape.one_block_per_server = false;
  families.push_back(any);
  Family all{"Everything", Small(3, 3), 2, 15, 1.6};
  all.shape.ring = all.shape.stage_costs = all.shape.busy_limits = all.shape.disk_limits = all.shape.pins =
      true;
  families.push_back(all);
  Family throughput{"Throughput", Small(3, 2), 2, 8, 1.6};
  throughput.shape.objective = Objective::kThroughput;
  throughput.shape.stage_costs = true;
  families.push_back(throughput);
  return families;
}

class Methods : public testing::TestWithParam<std::tuple<std::string, Family>> {};

TEST_P(Methods, AgreesWithBruteForce) {
  const auto& [method, family] = GetParam();
  int infeasible = 0;
  for (int seed = 0; seed < family.seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << family.name << " seed " << seed);
    const Fleet fleet = RandomFleet(family.shape, family.models, family.room, static_cast<uint64_t>(seed));
    const double truth = BruteForce(fleet);
    const FleetResult result = *SolveFleet(fleet, method, {});
    infeasible += std::isinf(truth) ? 1 : 0;
    if (std::isinf(truth)) {
      EXPECT_FALSE(result.HasPlan());
      EXPECT_FALSE(result.reason.empty());
      if (method != "sequential") {
        EXPECT_EQ(result.status, SolveStatus::kInfeasible);
        EXPECT_TRUE(std::isinf(result.bound_s));
      }
      continue;
    }
    EXPECT_NE(result.status, SolveStatus::kInfeasible) << result.reason;
    EXPECT_LE(result.bound_s, truth * (1 + 1e-9));
    if (result.HasPlan()) {
      const FleetEvaluation e = EvaluateFleet(fleet, result.plan);
      EXPECT_TRUE(e.ok()) << e.Text();
      EXPECT_DOUBLE_EQ(e.objective_s, result.objective_s);
      EXPECT_GE(result.objective_s, truth * (1 - 1e-9));
    }
    if (method == "sequential") continue;
    EXPECT_EQ(result.status, SolveStatus::kOptimal) << result.reason;
    EXPECT_NEAR(result.objective_s, truth, kTolerance * truth);
  }
  if (family.name == "Tight") {
    EXPECT_GT(infeasible, 0) << "the family shows nothing about infeasible fleets";
    EXPECT_LT(infeasible, family.seeds);
  }
}

TEST_P(Methods, SameAnswerTwice) {
  const auto& [method, family] = GetParam();
  const Fleet fleet = RandomFleet(family.shape, family.models, family.room, 3);
  const FleetResult first = *SolveFleet(fleet, method, {}), second = *SolveFleet(fleet, method, {});
  EXPECT_EQ(first.plan, second.plan);
  EXPECT_EQ(first.bound_s, second.bound_s);
}

INSTANTIATE_TEST_SUITE_P(Fleet, Methods,
                         testing::Combine(testing::Values("decomposition", "highs", "sequential"),
                                          testing::ValuesIn(Families())),
                         [](const auto& info) {
                           return std::get<0>(info.param) + std::get<1>(info.param).name;
                         });

TEST(Fleet, OneModelIsTheSingleProblem) {
  RandomShape shape = Small(6, 3);
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const Problem problem = RandomProblem(shape, seed);
    const SolveResult single = (*MakeSolver(kDefaultSolver))->Solve(problem, {});
    const Fleet fleet = *MakeFleet({{"only", 2.5, problem}});
    const FleetResult joint = *SolveFleet(fleet, kDefaultFleetMethod, {});
    ASSERT_EQ(joint.status, single.status) << joint.reason;
    if (!single.HasAssignment()) continue;
    EXPECT_NEAR(joint.objective_s, 2.5 * single.objective_s, kTolerance * joint.objective_s);
  }
}

TEST(Fleet, SharedMemoryIsChecked) {
  RandomShape shape = Small(3, 1);
  shape.tightness = 4;
  NamedProblem a{"a", 1, RandomProblem(shape, 1)};
  const Problem p = a.problem;
  const SolveResult alone = (*MakeSolver(kDefaultSolver))->Solve(p, {});
  ASSERT_TRUE(alone.HasAssignment());
  const int64_t need = Evaluate(p, alone.assignment).servers[0].memory_bytes;
  a.problem.memory_bytes[0] = 2 * need - 1;  // one byte short of two of them
  NamedProblem b = a;
  b.name = "b";
  const Fleet fleet = *MakeFleet({a, b});
  const FleetEvaluation e = EvaluateFleet(fleet, {alone.assignment, alone.assignment});
  ASSERT_EQ(e.violations.size(), 1U) << e.Text();
  EXPECT_EQ(e.violations[0].kind, LimitKind::kMemory);
  EXPECT_EQ(e.violations[0].amount, 1);
  EXPECT_THAT(e.Text(), HasSubstr("all models need"));
}

TEST(Fleet, ErrorsNameTheModel) {
  NamedProblem a{"a", 1, RandomProblem(Small(3, 2), 1)}, b{"b", 1, RandomProblem(Small(3, 3), 1)};
  EXPECT_THAT(std::string(MakeFleet({a, b}).status().message()), HasSubstr("b has 3 servers"));
  a.weight = -1;
  EXPECT_THAT(std::string(MakeFleet({a}).status().message()), HasSubstr("weight is -1"));
  EXPECT_FALSE(MakeFleet({}).ok());
  a.weight = 1;
  EXPECT_THAT(std::string(SolveFleet(*MakeFleet({a}), "magic", {}).status().message()),
              HasSubstr("sequential"));
}

TEST(Fleet, StopsAtOnceWhenAsked) {
  RandomShape shape = Small(20, 5);
  const Fleet fleet = RandomFleet(shape, 3, 2, 1);
  SolveOptions options;
  options.stop = [] { return true; };
  for (const std::string_view method : FleetMethods()) {
    const FleetResult result = *SolveFleet(fleet, method, options);
    EXPECT_NE(result.status, SolveStatus::kInfeasible);
    if (result.HasPlan()) {
      EXPECT_TRUE(EvaluateFleet(fleet, result.plan).ok());
    }
  }
}

}  // namespace
}  // namespace dilemma
