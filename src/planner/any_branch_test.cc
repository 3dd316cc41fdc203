// Branches of the any-assignment method: those that begin on one server know the ring's way back.
#include "planner/any_branch.h"

#include <vector>

#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/solver.h"

namespace dilemma {
namespace {

Problem RingProblem(int i) {
  RandomShape shape;
  shape.units = 5;
  shape.servers = 3;
  shape.types = 2;
  shape.ring = true;
  shape.one_block_per_server = false;
  shape.tightness = i % 2 == 0 ? 1.0 : 0.9;
  Problem problem = RandomProblem(shape, static_cast<uint64_t>(i));
  for (double& s : problem.ring.decode_s) s *= 10;
  problem.Fold();
  return problem;
}

// Of the plans that begin on `first`.
SolveResult BestFrom(int first, Problem problem) {
  for (int n = 0; n < problem.servers; ++n)
    if (n != first) problem.allowed[problem.Un(0, n)] = 0;
  return MakeSolver("brute").value()->Solve(problem, {});
}

TEST(AnyBranch, KnowsTheWayBackToItsFirstServer) {
  int raised = 0, proven = 0;
  for (int i = 0; i < 12; ++i) {
    const Problem problem = RingProblem(i);
    const BlockInstance in(problem);
    if (in.servers != problem.servers) continue;
    for (int f = 0; f < in.servers; ++f) {
      const PathEnds ends = PathEnds::From(in, f);
      const PathEnds loose{ends.first, in.last};
      const SolveResult truth = BestFrom(f, problem);
      Incumbent none, best;
      const auto found = [](const auto&, const auto&) {};
      const auto go_on = [] { return false; };
      AnyBranch without(in, loose, found, none, go_on, 1e-6, false);
      AnyBranch branch(in, ends, found, best, go_on, 1e-6, false);
      if (!without.Begin() || !branch.Begin()) {
        EXPECT_FALSE(truth.HasAssignment()) << "problem " << i << " from " << f;
        continue;
      }
      raised += branch.lower() > without.lower() * (1 + 1e-3) ? 1 : 0;
      for (int step = 0; step < 60 && !branch.Proven() && !branch.exhausted(); ++step) {
        branch.Step();
        if (truth.HasAssignment()) {
          ASSERT_LE(branch.lower(), truth.objective_s * (1 + 1e-9)) << "problem " << i << " from " << f;
        }
      }
      ASSERT_TRUE(branch.Proven()) << "problem " << i << " from " << f;
      EXPECT_EQ(best.cost == kNever, !truth.HasAssignment());
      if (!truth.HasAssignment()) continue;
      EXPECT_NEAR(best.cost, truth.objective_s, 2e-6 * truth.objective_s) << "problem " << i << " from " << f;
      ++proven;
    }
  }
  EXPECT_GT(raised, 0);
  EXPECT_GT(proven, 12);
}

}  // namespace
}  // namespace dilemma
