// The wide relaxation never says more than what is true: against the exact optimum at the same prices, for
// any partition of the servers into clusters, and as the bound of a whole fleet.
#include "fleet/wide_model.h"

#include <cmath>

#include "fleet/edge_fleet.h"
#include "fleet/fleet_solver.h"
#include "fleet/limits.h"
#include "fleet/wide_solver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/solver.h"

namespace dilemma {
namespace {

Clusters TwoClusters(int servers) {
  Clusters clusters;
  clusters.members.resize(2);
  for (int n = 0; n < servers; ++n) {
    clusters.of.push_back(n % 2);
    clusters.members[static_cast<size_t>(n % 2)].push_back(n);
  }
  return clusters;
}

TEST(WideModel, NeverAboveTheOptimum) {
  int compared = 0;
  double tightest = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomShape shape;
    shape.servers = 4;
    shape.units = 5;
    shape.types = 3;
    shape.ring = seed % 2 == 0;
    shape.pins = seed % 3 == 0;
    shape.ragged = seed % 5 == 0;
    shape.stage_costs = seed % 4 == 1;
    shape.one_block_per_server = seed % 7 != 0;
    shape.tightness = 1.2;
    const Problem problem = RandomProblem(shape, seed);
    const double weight = 1.5;
    FleetPrices prices;
    std::vector<int> all;
    for (int n = 0; n < problem.servers; ++n) {
      all.push_back(n);
      prices.memory.push_back(static_cast<double>((seed * 7 + static_cast<uint64_t>(n) * 3) % 5) * 2e-9);
    }
    Problem priced = problem;
    PutPrices(prices, weight, all, priced);
    const SolveResult truth = (*MakeSolver("brute"))->Solve(priced, {});
    for (const Clusters& clusters : {FindClusters(problem), TwoClusters(problem.servers)}) {
      WideModel model(problem, weight, clusters);
      for (const double mu : {0.0, 0.005, 0.03}) {
        const WideModel::Path path = model.Solve(prices.memory, mu, nullptr);
        if (!truth.HasAssignment()) continue;
        EXPECT_LE(path.value, weight * truth.objective_s * (1 + 1e-9));
        const std::vector<double> through = model.Through();
        double least = kNever;
        for (const double value : through) least = std::min(least, value);
        EXPECT_NEAR(least, path.value, 1e-6 * std::abs(path.value) + 1e-9);
        for (const Placement& placement : truth.assignment)
          EXPECT_LE(through[static_cast<size_t>(placement.server)], weight * truth.objective_s * (1 + 1e-9));
        ++compared;
        tightest = std::max(tightest, path.value / (weight * truth.objective_s));
      }
    }
  }
  EXPECT_GT(compared, 100);
  EXPECT_GT(tightest, 0.9) << "a bound that is always loose is of no use";
}

TEST(WideModel, LessRoomNeverCostsLess) {
  RandomShape shape;
  shape.servers = 4;
  shape.tightness = 1.5;
  const Problem problem = RandomProblem(shape, 5);
  const Clusters clusters = FindClusters(problem);
  WideModel model(problem, 1, clusters);
  const std::vector<double> free(4, 0.0);
  std::vector<int64_t> room = problem.memory_bytes;
  double before = model.Solve(free, 0.01, &room).value;
  for (int step = 0; step < 12; ++step) {
    for (int64_t& bytes : room) bytes = bytes * 4 / 5;
    const double now = model.Solve(free, 0.01, &room).value;
    EXPECT_GE(now, before * (1 - 1e-9));
    before = now;
  }
  EXPECT_EQ(before, kNever) << "nothing fits in a fourteenth of the memory";
}

TEST(WideModel, DistinctPathsBecomePlansThatKeepEveryLimit) {
  int plans = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomShape shape;
    shape.servers = 5;
    shape.units = 8;
    shape.types = 4;
    shape.ring = seed % 2 == 0;
    shape.tightness = 1.4;
    const Problem problem = RandomProblem(shape, seed);
    const Clusters clusters = FindClusters(problem);
    WideModel model(problem, 1, clusters);
    const std::vector<double> free(5, 0.0);
    if (model.Solve(free, 0.01, nullptr).value == kNever) continue;
    std::vector<bool> used(5);
    const std::vector<WideModel::Block> blocks = model.Distinct(model.Best(5), 16);
    for (const WideModel::Block& block : blocks) {
      EXPECT_FALSE(used[static_cast<size_t>(block.server)]);
      used[static_cast<size_t>(block.server)] = true;
    }
    const Assignment plan = model.ChooseTypes(blocks);
    if (plan.empty()) continue;
    const Evaluation evaluation = Evaluate(problem, plan);
    EXPECT_TRUE(evaluation.ok()) << evaluation.Text();
    ++plans;
  }
  EXPECT_GT(plans, 15);
}

FleetShape Sites(int models, int servers, int sites) {
  FleetShape shape;
  shape.models = models;
  shape.servers = servers;
  shape.sites = sites;
  shape.memory_factor = 3;
  return shape;
}

TEST(WideSolver, APlanComesBeforePricesAreGood) {
  const Fleet fleet = EdgeFleet(Sites(8, 60, 6), 0);
  int reports = 0;
  SolveOptions options;
  options.progress = [&](const SolveProgress&) { ++reports; };
  options.stop = [&] { return reports >= 2; };  // the first bound, and what comes next
  const FleetResult result = SolveWideFleet(fleet, options);
  ASSERT_TRUE(result.HasPlan()) << result.reason;
  EXPECT_TRUE(EvaluateFleet(fleet, result.plan).ok());
  EXPECT_GT(result.bound_s, 0.3 * result.objective_s);
}

TEST(WideSolver, FindsPlansOnManyServersWithAValidBound) {
  FleetShape shape;
  shape.models = 4;
  shape.servers = 24;
  shape.sites = 4;
  shape.memory_factor = 2.5;
  shape.large_models = false;
  const Fleet fleet = EdgeFleet(shape, 1);
  SolveOptions options;
  options.time_limit_s = 100;
  const FleetResult result = SolveWideFleet(fleet, options);
  ASSERT_TRUE(result.HasPlan()) << result.reason;
  const FleetEvaluation evaluation = EvaluateFleet(fleet, result.plan);
  EXPECT_TRUE(evaluation.ok()) << evaluation.Text();
  EXPECT_DOUBLE_EQ(evaluation.objective_s, result.objective_s);
  EXPECT_GT(result.bound_s, 0.5 * result.objective_s);
  EXPECT_LE(result.bound_s, result.objective_s);
}

// On few servers the other method proves what the wide bound must stay below.
TEST(WideSolver, BoundHoldsAgainstTheProvenOptimum) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomShape shape;
    shape.units = 4;
    shape.tightness = 1.6;
    shape.ring = true;
    NamedProblem a{"a", 1, RandomProblem(shape, 2 * seed)}, b{"b", 2, RandomProblem(shape, 2 * seed + 1)};
    const Fleet fleet = *MakeFleet({a, b});
    const FleetResult proven = *SolveFleet(fleet, "highs", {});
    const FleetResult wide = SolveWideFleet(fleet, {});
    if (!proven.HasPlan()) continue;
    ASSERT_EQ(proven.status, SolveStatus::kOptimal);
    EXPECT_NE(wide.status, SolveStatus::kInfeasible);
    EXPECT_LE(wide.bound_s, proven.objective_s * (1 + 1e-9));
    EXPECT_GE(wide.objective_s, proven.objective_s * (1 - 1e-6));
  }
}

}  // namespace
}  // namespace dilemma
