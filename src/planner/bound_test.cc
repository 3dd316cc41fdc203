// Bounds hold whatever was asked for: a wide gap, a start that is far off.
#include <algorithm>

#include "gtest/gtest.h"
#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/random_problem.h"
#include "planner/solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

RandomShape Shape(int i) {
  RandomShape shape;
  shape.units = 6;
  shape.servers = 3;
  shape.types = 2;
  shape.one_block_per_server = i % 2 == 0;
  shape.ring = i % 3 == 1;
  shape.stage_costs = i % 5 == 2;
  shape.tightness = i % 4 == 3 ? 0.9 : 1.1;
  return shape;
}

// Work on better plans leaves out what cannot be better by the gap: the bound must not count that as proven.
TEST(Bound, HoldsAtAWideGap) {
  auto brute = MakeSolver("brute").value();
  auto exact = MakeSolver("exact").value();
  int solved = 0;
  for (int i = 0; i < 60; ++i) {
    const Problem problem = RandomProblem(Shape(i), static_cast<uint64_t>(i));
    const SolveResult truth = brute->Solve(problem, {});
    for (const double gap : {0.05, 0.3}) {
      SolveOptions options;
      options.gap = gap;
      const SolveResult result = exact->Solve(problem, options);
      ASSERT_EQ(result.HasAssignment(), truth.HasAssignment()) << "problem " << i << " gap " << gap;
      if (!truth.HasAssignment()) continue;
      ++solved;
      EXPECT_LE(result.bound_s, truth.objective_s * (1 + 1e-9)) << "problem " << i << " gap " << gap;
      EXPECT_LE(result.objective_s, truth.objective_s / (1 - gap) * (1 + 1e-6)) << "problem " << i;
    }
  }
  EXPECT_GT(solved, 50);
}

// The choices of types for a block come in the order of their priced cost: who reads them stops at the first
// that is too dear.
TEST(Bound, ChoicesAreSortedByPricedCost) {
  RandomShape shape;
  shape.units = 5;
  shape.servers = 2;
  shape.types = 3;
  shape.tightness = 1.5;
  int longest = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const BlockInstance in(RandomProblem(shape, seed));
    const double mu = 1e-3;
    for (int n = 0; n < in.servers; ++n) {
      const BlockQuery query{n, 0, in.MaxLength(n, 0), kNever, 1024};
      if (query.length == 0) continue;
      const BlockChoices choices = EnumerateBlock(in, mu, query);
      longest = std::max(longest, static_cast<int>(choices.points.size()));
      double before = 0;
      for (const BlockPoint& point : choices.points) {
        const double priced = point.cost + mu * point.loss;
        EXPECT_GE(priced, before * (1 - 1e-12)) << "seed " << seed;
        before = priced;
      }
    }
  }
  EXPECT_GT(longest, 5);
}

// A problem whose optimum was once missed for that.
TEST(Bound, AnyAssignmentFindsTheOptimum) {
  RandomShape shape;
  shape.units = 5;
  shape.servers = 2;
  shape.types = 3;
  shape.one_block_per_server = false;
  const Problem problem = RandomProblem(shape, 474);
  const SolveResult truth = MakeSolver("brute").value()->Solve(problem, {});
  const SolveResult result = MakeSolver("exact").value()->Solve(problem, {});
  EXPECT_NEAR(result.objective_s, truth.objective_s, 2e-6 * truth.objective_s);
}

}  // namespace
}  // namespace dilemma
