#include "study/trade_off.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

Problem SmallProblem(uint64_t seed) {
  RandomShape shape;
  shape.units = 5;
  shape.types = 3;
  shape.ring = true;
  shape.tightness = 1.3;
  return RandomProblem(shape, seed);
}

Assignment AnyPlan(const Problem& problem) { return (*MakeSolver("brute"))->Solve(problem, {}).assignment; }

TradeOffOptions Exact(int points) {
  TradeOffOptions options;
  options.points = points;
  options.gap = 1e-9;
  return options;
}

class TradeOffCurve : public testing::TestWithParam<uint64_t> {};

TEST_P(TradeOffCurve, PointsAreTheBestPlansOfTheirBudgets) {
  Problem problem = SmallProblem(GetParam());
  const Assignment here = AnyPlan(problem);
  if (here.empty()) GTEST_SKIP() << "no plan for this seed";
  const auto curve = ComputeTradeOff(problem, here, Exact(4));
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->curve.size(), 4U);
  double before = kNever;
  for (const TradeOffPoint& point : curve->curve) {
    SCOPED_TRACE(point.budget);
    problem.loss_budget = point.budget;
    const SolveResult truth = (*MakeSolver("brute"))->Solve(problem, {});
    ASSERT_EQ(point.status, "optimal");
    EXPECT_NEAR(point.request_s, truth.objective_s, 1e-6 * truth.objective_s);
    EXPECT_LE(point.loss, point.budget * (1 + 1e-6));
    EXPECT_LE(point.request_s, before * (1 + 1e-6));
    before = point.request_s;
  }
  for (const TradeOffPoint& other : curve->others) {
    EXPECT_FALSE(other.name.empty());
    if (other.status == "feasible") {
      EXPECT_GE(other.request_s, before * (1 - 1e-6)) << other.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TradeOffCurve, testing::Range(uint64_t{1}, uint64_t{6}));

TEST(TradeOff, WhereTheFastestPlanLosesNothingTheCurveIsThatPlan) {
  Problem problem = SmallProblem(1);
  std::fill(problem.loss.begin(), problem.loss.end(), 0.0);
  const auto curve = ComputeTradeOff(problem, AnyPlan(problem), Exact(4));
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->curve.size(), 1U);
  EXPECT_EQ(curve->curve[0].status, "optimal");
  EXPECT_FALSE(std::isnan(curve->curve[0].budget));
}

TEST(TradeOff, RefusesAPlanThatBreaksALimit) {
  Problem problem = SmallProblem(1);
  const Assignment here = AnyPlan(problem);
  ASSERT_FALSE(here.empty());
  std::fill(problem.memory_bytes.begin(), problem.memory_bytes.end(), 1);
  const auto curve = ComputeTradeOff(problem, here, Exact(3));
  EXPECT_TRUE(absl::IsFailedPrecondition(curve.status()));
  EXPECT_THAT(std::string(curve.status().message()), HasSubstr("limits of this cluster"));
}

TEST(TradeOff, StopsWhenAsked) {
  const Problem problem = SmallProblem(1);
  TradeOffOptions options = Exact(3);
  int calls = 0;
  options.progress = [&calls](double, std::string_view) { return ++calls < 3; };
  EXPECT_TRUE(absl::IsCancelled(ComputeTradeOff(problem, AnyPlan(problem), options).status()));
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace dilemma
