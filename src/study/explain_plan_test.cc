#include "study/explain_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

SolveResult Brute(const Problem& problem) { return (*MakeSolver("brute"))->Solve(problem, {}); }

Problem Small(uint64_t seed) {
  RandomShape shape;
  shape.units = 4;
  shape.servers = 4;
  shape.types = 2;
  shape.ring = seed % 2 == 0;
  shape.stage_costs = true;
  shape.tightness = 1.2;
  if (seed % 3 == 0) shape.max_servers = 2;
  return RandomProblem(shape, seed);
}

class Explain : public testing::TestWithParam<uint64_t> {};

// What brute force finds of the same changed problems.
TEST_P(Explain, WorthIsWhatSolvingAgainSaves) {
  const Problem problem = Small(GetParam());
  const SolveResult plan = Brute(problem);
  if (!plan.HasAssignment()) GTEST_SKIP() << "no plan for this seed";
  const auto resources = ResourcesOf(problem, plan.assignment);
  ASSERT_FALSE(resources.empty());
  const auto explanation = ExplainPlan(problem, plan, resources, {});
  ASSERT_TRUE(explanation.ok()) << explanation.status();
  ASSERT_EQ(explanation->limits.size(), resources.size());
  const double nothing = 1e-5 * plan.objective_s;
  double before = kNever;
  for (const LimitWorth& worth : explanation->limits) {
    SCOPED_TRACE(worth.limit);
    EXPECT_TRUE(worth.proven);
    EXPECT_LE(worth.all_s, before);
    before = worth.all_s;
    const auto resource = std::find_if(resources.begin(), resources.end(),
                                       [&](const Resource& r) { return r.name == worth.limit; });
    ASSERT_NE(resource, resources.end());
    const auto saving = [&](double more) {
      return plan.objective_s - Brute(resource->with(more)).objective_s;
    };
    EXPECT_NEAR(worth.all_s, saving(kNever), nothing);
    EXPECT_NEAR(worth.one_s, saving(1), nothing);
    if (worth.least > 0) {
      EXPECT_NEAR(worth.least_s, saving(worth.least), nothing);
      EXPECT_GT(worth.least_s, 0);
      EXPECT_LT(worth.least > 1 ? saving(worth.least - 1) : 0, nothing);
    }
  }
}

TEST_P(Explain, UnusedServersCostWhatForcingThemIntoThePlanCosts) {
  const Problem problem = Small(GetParam());
  const SolveResult plan = Brute(problem);
  if (!plan.HasAssignment()) GTEST_SKIP() << "no plan for this seed";
  const auto explanation = ExplainPlan(problem, plan, {}, {});
  ASSERT_TRUE(explanation.ok()) << explanation.status();
  const Evaluation e = Evaluate(problem, plan.assignment);
  size_t unused = 0;
  for (int n = 0; n < problem.servers; ++n) {
    if (e.servers[static_cast<size_t>(n)].stages > 0) continue;
    ASSERT_LT(unused, explanation->unused.size());
    const UnusedServer& server = explanation->unused[unused++];
    EXPECT_EQ(server.server, problem.server_names[static_cast<size_t>(n)]);
    EXPECT_TRUE(server.proven) << server.text;
    double best = kNever;
    for (int u = 0; u < problem.units; ++u) {
      Problem p = problem;
      for (int m = 0; m < p.servers; ++m)
        if (m != n) p.allowed[p.Un(u, m)] = 0;
      best = std::min(best, Brute(p).objective_s);
    }
    ASSERT_EQ(server.possible, best < kNever) << server.text;
    if (server.possible) {
      EXPECT_NEAR(server.extra_s, best - plan.objective_s, 1e-5 * plan.objective_s);
    }
  }
  EXPECT_EQ(unused, explanation->unused.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Explain, testing::Range(uint64_t{1}, uint64_t{9}));

TEST(Explain, SaysWhatAServerIsTooSmallForAndClaimsNothingWithoutTime) {
  Problem problem = Small(2);
  problem.memory_bytes[1] = 1000;
  problem.memory_bytes[0] *= 4;
  const SolveResult plan = Brute(problem);
  ASSERT_TRUE(plan.HasAssignment());
  const auto explanation = ExplainPlan(problem, plan, {}, {});
  ASSERT_TRUE(explanation.ok());
  EXPECT_THAT(explanation->unused.at(0).text, testing::HasSubstr("server 1 is too small"));
  ExplainOptions options;
  options.time_limit_s = 0;
  const auto nothing = ExplainPlan(problem, plan, ResourcesOf(problem, plan.assignment), options);
  ASSERT_TRUE(nothing.ok());
  for (const LimitWorth& worth : nothing->limits) EXPECT_FALSE(worth.proven) << worth.limit;
}

TEST(Explain, StopsWhenAskedAndRefusesWhatIsNoPlan) {
  const Problem problem = Small(2);
  const SolveResult plan = Brute(problem);
  ASSERT_TRUE(plan.HasAssignment());
  ExplainOptions options;
  options.stop = [] { return true; };
  EXPECT_TRUE(
      absl::IsCancelled(ExplainPlan(problem, plan, ResourcesOf(problem, plan.assignment), options).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ExplainPlan(problem, {}, {}, {}).status()));
}

}  // namespace
}  // namespace dilemma
