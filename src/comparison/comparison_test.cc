#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comparison/cbc_solver.h"
#include "comparison/edge_instances.h"
#include "planner/random_problem.h"
#include "planner/solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

// CBC's tolerance on rows lets an answer through now and then that is infeasible in exact arithmetic.
constexpr double kTolerance = 1e-6;

void ExpectAgreement(const RandomShape& shape, int seeds) {
  int feasible = 0, infeasible = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    const Problem problem = RandomProblem(shape, static_cast<uint64_t>(seed));
    SolveOptions options;
    options.time_limit_s = 60;
    const SolveResult brute = (*MakeSolver("brute"))->Solve(problem, options);
    const SolveResult cbc = MakeCbcSolver()->Solve(problem, options);
    ASSERT_EQ(Name(cbc.status), Name(brute.status)) << "seed " << seed << " " << cbc.reason;
    if (brute.status == SolveStatus::kInfeasible) {
      ++infeasible;
      continue;
    }
    ++feasible;
    EXPECT_NEAR(cbc.objective_s, brute.objective_s, kTolerance * brute.objective_s) << "seed " << seed;
    EXPECT_TRUE(Evaluate(problem, cbc.assignment).ok());
    EXPECT_LE(cbc.bound_s, cbc.objective_s);
  }
  EXPECT_GT(feasible, 0);
  if (shape.tightness < 1) {
    EXPECT_GT(infeasible, 0);
  }
}

TEST(CbcTest, AgreesWithBruteForceOnOneBlock) { ExpectAgreement({}, 12); }

TEST(CbcTest, AgreesWithBruteForceOnAnyAssignment) {
  RandomShape shape;
  shape.one_block_per_server = false;
  shape.ring = shape.stage_costs = shape.pins = shape.ragged = true;
  shape.max_servers = 2;
  ExpectAgreement(shape, 12);
}

TEST(CbcTest, AgreesWithBruteForceWhereMuchIsImpossible) {
  RandomShape shape;
  shape.tightness = 0.85;
  shape.busy_limits = shape.disk_limits = true;
  ExpectAgreement(shape, 16);
}

TEST(CbcTest, SaysThatItKnowsNoThroughput) {
  RandomShape shape;
  shape.objective = Objective::kThroughput;
  const SolveResult result = MakeCbcSolver()->Solve(RandomProblem(shape, 1), {});
  EXPECT_EQ(result.status, SolveStatus::kUnknown);
  EXPECT_THAT(result.reason, ::testing::HasSubstr("throughput"));
}

TEST(EdgeInstancesTest, AreTheSameForASeedAndSolvable) {
  auto shape = ParseEdgeShape("24x5x4");
  ASSERT_TRUE(shape.ok()) << shape.status();
  for (const bool ends : {false, true}) {
    shape->ends = shape->ring = ends;
    const Problem problem = EdgeProblem(*shape, 7), again = EdgeProblem(*shape, 7),
                  other = EdgeProblem(*shape, 8);
    EXPECT_TRUE(problem.Check().ok()) << problem.Check();
    EXPECT_EQ(problem.units, ends ? 26 : 24);
    EXPECT_EQ(problem.compute.decode_s, again.compute.decode_s);
    EXPECT_NE(problem.compute.decode_s, other.compute.decode_s);
    const SolveResult result = (*MakeSolver(kDefaultSolver))->Solve(problem, {});
    EXPECT_EQ(result.status, SolveStatus::kOptimal) << result.reason;
  }
}

TEST(EdgeInstancesTest, RefusesUnknownSizes) {
  for (const char* text : {"", "24", "24x5", "24x5x7", "25x5x4", "24x0x4", "ax5x4"})
    EXPECT_FALSE(ParseEdgeShape(text).ok()) << text;
}

}  // namespace
}  // namespace dilemma
