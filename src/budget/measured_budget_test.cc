#include "budget/measured_budget.h"

#include <cmath>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

Problem Drawn(uint64_t seed) {
  RandomShape shape;
  shape.units = 8;
  shape.types = 4;
  shape.tightness = 1.3;
  return RandomProblem(shape, seed);
}

absl::StatusOr<SolveResult> SolveIt(const Problem& problem, const Assignment& start) {
  ASSIGN_OR_RETURN(const auto solver, MakeSolver(kDefaultSolver));
  SolveOptions options;
  options.start = start;
  return solver->Solve(problem, options);
}

double Estimate(Problem problem, const Assignment& assignment) {
  problem.loss_budget = kNever;
  return Evaluate(problem, assignment).loss;
}

// Losses that do not add: `factor` times too much, and more where there is much.
MeasureLoss Truth(const Problem& problem, double factor, int* calls) {
  return [&problem, factor, calls](const Assignment& assignment) -> absl::StatusOr<double> {
    ++*calls;
    const double estimate = Estimate(problem, assignment);
    return factor * estimate * (1 + 0.3 * estimate / problem.loss_budget);
  };
}

TEST(SolveWithinMeasured, KeepsTheTrueBudgetAndUsesIt) {
  int found = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    for (const double factor : {0.4, 0.9, 1.5}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " factor " << factor);
      const Problem problem = Drawn(seed);
      const SolveResult free = *SolveIt(problem, {});
      if (!free.HasAssignment()) continue;
      int calls = 0;
      const MeasureLoss truth = Truth(problem, factor, &calls);
      const auto plan = SolveWithinMeasured(problem, SolveIt, truth, {.rounds = 6});
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_LE(calls, 12);
      EXPECT_GE(static_cast<int>(plan->rounds.size()), calls);
      if (!plan->result.HasAssignment()) {  // only where losses truly are too high everywhere
        EXPECT_THAT(plan->result.reason, HasSubstr("no plan kept the budget"));
        continue;
      }
      ++found;
      const double measured = *truth(plan->result.assignment);
      EXPECT_LE(measured, problem.loss_budget);
      int kept = 0;
      for (const CheckRound& round : plan->rounds) {
        kept += round.kept ? 1 : 0;
        if (round.kept) {
          EXPECT_EQ(round.measured, measured);
        }
        if (round.measured <= problem.loss_budget) {
          EXPECT_GE(round.request_s, plan->result.objective_s);
        }
      }
      EXPECT_EQ(kept, 1);
      Problem own = problem;
      own.loss_budget = plan->budget;
      EXPECT_TRUE(Evaluate(own, plan->result.assignment).ok());
      EXPECT_LE(plan->result.bound_s, plan->result.objective_s);
      if (factor < 0.5) {
        EXPECT_LE(plan->result.objective_s, free.objective_s * (1 + 1e-9));
      }
    }
  }
  EXPECT_GT(found, 12);
}

TEST(SolveWithinMeasured, AnExactEstimateIsMeasuredOnce) {
  const Problem problem = Drawn(1);
  int calls = 0;
  const MeasureLoss truth = [&](const Assignment& assignment) -> absl::StatusOr<double> {
    ++calls;
    return Estimate(problem, assignment) * 0.995;
  };
  const auto plan = SolveWithinMeasured(problem, SolveIt, truth, {.close = 0.2});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->result.assignment, SolveIt(problem, {})->assignment);
  EXPECT_EQ(calls, 1);
}

TEST(SolveWithinMeasured, SaysWhyThereIsNoPlan) {
  Problem problem = Drawn(1);
  int calls = 0;
  const auto hopeless = SolveWithinMeasured(
      problem, SolveIt, [&](const Assignment&) -> absl::StatusOr<double> { return ++calls, 1e9; }, {});
  ASSERT_TRUE(hopeless.ok());
  EXPECT_FALSE(hopeless->result.HasAssignment());
  EXPECT_THAT(hopeless->result.reason, HasSubstr("1e+09"));
  EXPECT_GE(calls, 1);
  problem.memory_bytes.assign(problem.memory_bytes.size(), 1);
  const auto infeasible = SolveWithinMeasured(
      problem, SolveIt, [&](const Assignment&) -> absl::StatusOr<double> { return 1; }, {});
  EXPECT_EQ(infeasible->result.status, SolveStatus::kInfeasible);
  EXPECT_TRUE(infeasible->rounds.empty());
  const auto broken = SolveWithinMeasured(
      Drawn(1), SolveIt,
      [&](const Assignment&) -> absl::StatusOr<double> { return absl::CancelledError("interrupted"); }, {});
  EXPECT_TRUE(absl::IsCancelled(broken.status()));
}

TEST(LowerLoss, StaysWithinLimitsAndServers) {
  int lowered = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Problem problem = Drawn(seed);
    const SolveResult solved = *SolveIt(problem, {});
    if (!solved.HasAssignment()) continue;
    const double before = Estimate(problem, solved.assignment);
    const Assignment after = LowerLoss(problem, solved.assignment, 0.8 * before);
    if (after.empty()) continue;
    ++lowered;
    EXPECT_LE(Estimate(problem, after), 0.8 * before);
    EXPECT_TRUE(Evaluate(problem, after).ok());
    for (size_t u = 0; u < after.size(); ++u) EXPECT_EQ(after[u].server, solved.assignment[u].server);
  }
  EXPECT_GT(lowered, 3);
  EXPECT_TRUE(LowerLoss(Drawn(1), SolveIt(Drawn(1), {})->assignment, -1).empty());
}

}  // namespace
}  // namespace dilemma
