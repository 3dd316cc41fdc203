#include "planner/baselines.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/uniform_types.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

Problem Roomy(uint64_t seed) {
  RandomShape shape;
  shape.units = 6;
  shape.types = 3;
  shape.ring = true;
  shape.tightness = 1.5;
  return RandomProblem(shape, seed);
}

TEST(Baselines, NeverBetterThanTheOptimumAndAlwaysValid) {
  auto solver = MakeSolver(kDefaultSolver).value();
  std::vector<int> found(Baselines().size(), 0);
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const Problem p = Roomy(seed);
    const SolveResult best = solver->Solve(p, {});
    for (size_t i = 0; i < Baselines().size(); ++i) {
      const auto result = RunBaseline(Baselines()[i].name, p, {});
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_NE(result->status, SolveStatus::kOptimal);
      if (!result->HasAssignment()) {
        EXPECT_FALSE(result->reason.empty());
        continue;
      }
      ++found[i];
      EXPECT_TRUE(Evaluate(p, result->assignment).ok());
      EXPECT_GE(result->objective_s, best.objective_s * (1 - 2e-6)) << Baselines()[i].name;
    }
  }
  for (size_t i = 0; i < found.size(); ++i) EXPECT_GT(found[i], 0) << Baselines()[i].name << " never fits";
}

TEST(Baselines, EvenSplitIsEven) {
  Problem p = Roomy(1);
  for (auto& bytes : p.memory_bytes) bytes *= 100;
  p.loss_budget = kNever;
  p.max_servers = 0;
  const auto result = RunBaseline("even-split", p, {});
  ASSERT_TRUE(result.ok() && result->HasAssignment());
  const Evaluation e = Evaluate(p, result->assignment);
  for (const StageUse& stage : e.stages)
    EXPECT_EQ(stage.last_unit - stage.first_unit + 1, p.units / static_cast<int>(e.stages.size()));
}

TEST(Baselines, UnknownNameListsTheNames) {
  const auto result = RunBaseline("magic", Roomy(1), {});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), testing::HasSubstr("edgeshard"));
}

TEST(UniformTypes, FollowNamesThenSizes) {
  Problem p;
  p.Resize(2, 1, 3);
  for (int q = 0; q < 3; ++q) {
    p.offered[p.Uq(0, q)] = 1;
    p.weight_bytes[p.Uq(0, q)] = 100 - 30 * q;
    p.type_names[p.Uq(0, q)] = "t" + std::to_string(q);
  }
  for (int q = 0; q < 2; ++q) {
    p.offered[p.Uq(1, q)] = 1;
    p.weight_bytes[p.Uq(1, q)] = q == 0 ? 800 : 1000;
    p.type_names[p.Uq(1, q)] = q == 0 ? "x" : "t0";
  }
  const auto uniform = UniformTypes(p);
  ASSERT_EQ(uniform.size(), 3u);
  EXPECT_EQ(uniform[0], (std::vector<int>{0, 1}));  // t0 by its name
  EXPECT_EQ(uniform[1], (std::vector<int>{1, 0}));  // 70 of 100 is nearest to 800 of 1000
  EXPECT_EQ(uniform[2], (std::vector<int>{2, 0}));
}

}  // namespace
}  // namespace dilemma
