// What the bound for any assignment is made of: prices, memory that paths remember, rooms.
#include "planner/any_bound.h"

#include <algorithm>
#include <cmath>

#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/room_grid.h"
#include "planner/solver.h"
#include "planner/unit_completions.h"

namespace dilemma {
namespace {

RandomShape Shape(int i) {
  RandomShape shape;
  shape.units = 6;
  shape.servers = 3;
  shape.types = 2;
  shape.one_block_per_server = false;
  shape.stage_costs = i % 3 == 2;
  shape.tightness = i % 4 == 3 ? 0.9 : 1.1;
  return shape;
}

AnyBound BoundOf(const BlockInstance& in) {
  return {in, 4, {in.first, in.last}, [](const auto&, const auto&) {}, [] { return false; }};
}

// Remembering what servers have used can only raise the bound, and never above the optimum.
TEST(AnyBound, HoldsAndGrowsWithMemory) {
  auto brute = MakeSolver("brute").value();
  int grown = 0;
  for (int i = 0; i < 24; ++i) {
    const Problem problem = RandomProblem(Shape(i), static_cast<uint64_t>(i));
    const SolveResult truth = brute->Solve(problem, {});
    if (!truth.HasAssignment()) continue;
    const BlockInstance in(problem);
    AnyBound bound = BoundOf(in);
    ASSERT_TRUE(bound.Run(60, truth.objective_s));
    double before = bound.bound();
    EXPECT_LE(before, truth.objective_s * (1 + 1e-9)) << "problem " << i;
    for (int round = 0; round < 3 && bound.Widen(2); ++round) {
      bound.Run(60, 0.1 * truth.objective_s);
      EXPECT_GE(bound.bound(), before);
      EXPECT_LE(bound.bound(), truth.objective_s * (1 + 1e-9)) << "problem " << i;
      grown += bound.bound() > before * (1 + 1e-4) ? 1 : 0;
      before = bound.bound();
    }
  }
  EXPECT_GT(grown, 0);
}

// What a label may look up before its first unit is no more than what the optimum costs.
TEST(UnitCompletions, BoundTheOptimum) {
  auto brute = MakeSolver("brute").value();
  for (int i = 0; i < 10; ++i) {
    const Problem problem = RandomProblem(Shape(i), static_cast<uint64_t>(i));
    const SolveResult truth = brute->Solve(problem, {});
    if (!truth.HasAssignment()) continue;
    const BlockInstance in(problem);
    AnyBound bound = BoundOf(in);
    bound.Run(60, truth.objective_s);
    bound.Settle();
    for (const size_t most : {size_t{8}, size_t{20000}}) {
      const RoomGrid rooms(in, most);
      const UnitCompletions rest(in, rooms, bound);
      double least = kNever;
      for (int n = 0; n < in.servers; ++n) {
        for (const Item& item : in.Items(0, n)) {
          const auto m = static_cast<size_t>(n);
          const int64_t bytes = in.stage[m] + in.LeastBytes(n, 0, 1) + item.excess;
          if (bytes > in.memory[m]) continue;
          least = std::min(least, in.first[m] + item.cost + bound.prices().mu * item.loss +
                                      bound.prices().Memory(n) * static_cast<double>(bytes) +
                                      rest.Rest(1, n, rooms.Index(n, in.memory[m] - bytes), 0));
        }
      }
      EXPECT_LE(least - bound.Constant(), truth.objective_s * (1 + 1e-9)) << "problem " << i;
      if (most == 20000) {
        EXPECT_GE(least - bound.Constant(), bound.bound() * (1 - 1e-3)) << "problem " << i;
      }
    }
  }
}

TEST(RoomGrid, RoundsUpForBoundsAndLosesNothingInPlans) {
  RandomShape shape = Shape(2);
  shape.ragged = true;
  const BlockInstance in(RandomProblem(shape, 5));
  const RoomGrid fine(in, 1000), coarse(in, 8);
  for (int n = 0; n < in.servers; ++n) {
    EXPECT_LE(coarse.Size(n), 10);
    const int64_t memory = in.memory[static_cast<size_t>(n)];
    for (int64_t i = 0; i <= 100; ++i) {
      const int64_t room = memory * i / 100, kept = fine.Canonical(n, room);
      EXPECT_LE(kept, room);
      EXPECT_EQ(fine.Canonical(n, kept), kept);
      EXPECT_EQ(fine.Room(n, fine.Index(n, room)), kept);
      EXPECT_GE(coarse.Room(n, coarse.Index(n, room)), room);
      for (int u = 0; u < in.units; ++u)
        for (const Item& item : in.Items(u, n))
          EXPECT_EQ(in.LeastBytes(n, u, u + 1) + item.excess <= room,
                    in.LeastBytes(n, u, u + 1) + item.excess <= kept);
    }
  }
}

}  // namespace
}  // namespace dilemma
