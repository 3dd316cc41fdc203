// Bounds hold whatever was asked for: a wide gap, a start that is far off.
#include "gtest/gtest.h"
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

}  // namespace
}  // namespace dilemma
