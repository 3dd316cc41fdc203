// Every solver on the same small random problems: all agree with trying every assignment, infeasible ones
// included.
#include <cmath>
#include <ostream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kTolerance = 2e-6;

struct Family {
  std::string name;
  RandomShape shape;
  int seeds;
};
void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

std::vector<Family> Families() {
  std::vector<Family> families;
  const auto add = [&](std::string name, int seeds, auto change) {
    Family family{std::move(name), {}, seeds};
    change(family.shape);
    families.push_back(family);
    family.name += "Any";
    family.shape.one_block_per_server = false;
    families.push_back(family);
  };
  add("Plain", 25, [](RandomShape&) {});
  add("Tight", 25, [](RandomShape& s) { s.tightness = 0.75; });
  add("Ring", 20, [](RandomShape& s) { s.ring = true; });
  add("Ragged", 20, [](RandomShape& s) {
    s.ragged = true;
    s.types = 3;
    s.units = 4;
  });
  add("Pins", 20, [](RandomShape& s) { s.pins = s.ring = true; });
  add("StageCosts", 20, [](RandomShape& s) { s.stage_costs = s.ring = true; });
  add("Limits", 20, [](RandomShape& s) {
    s.busy_limits = s.disk_limits = true;
    s.tightness = 1.3;
  });
  add("Size", 25, [](RandomShape& s) {
    s.size_budget = s.ring = true;
    s.types = 3;
    s.units = 4;
  });
  add("FewServers", 20, [](RandomShape& s) {
    s.servers = 4;
    s.units = 4;
    s.max_servers = 2;
    s.tightness = 1.6;
  });
  add("OneUnit", 5, [](RandomShape& s) {
    s.units = 1;
    s.ring = true;
    s.tightness = 2.5;
  });
  add("OneServer", 5, [](RandomShape& s) {
    s.servers = 1;
    s.units = 7;
    s.tightness = 0.9;
  });
  add("Throughput", 20, [](RandomShape& s) {
    s.objective = Objective::kThroughput;
    s.stage_costs = true;
  });
  add("Everything", 20, [](RandomShape& s) {
    s.ring = s.pins = s.stage_costs = s.ragged = s.busy_limits = s.disk_limits = true;
    s.size_budget = true;
    s.max_servers = 2;
    s.tightness = 1.4;
  });
  return families;
}

class Conformance : public testing::TestWithParam<std::tuple<std::string, Family>> {};

TEST_P(Conformance, AgreesWithBruteForce) {
  const auto& [name, family] = GetParam();
  auto solver = MakeSolver(name).value();
  auto brute = MakeSolver("brute").value();
  for (int seed = 0; seed < family.seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << family.name << " seed " << seed);
    const Problem problem = RandomProblem(family.shape, static_cast<uint64_t>(seed));
    ASSERT_TRUE(problem.Check().ok()) << problem.Check();
    const SolveResult truth = brute->Solve(problem, {});
    const SolveResult result = solver->Solve(problem, {});
    ASSERT_EQ(Name(result.status), Name(truth.status)) << result.reason;
    if (truth.status != SolveStatus::kOptimal) {
      EXPECT_FALSE(result.reason.empty());
      EXPECT_TRUE(std::isinf(result.bound_s));
      continue;
    }
    EXPECT_NEAR(result.objective_s, truth.objective_s, kTolerance * truth.objective_s);
    EXPECT_LE(result.bound_s, truth.objective_s * (1 + 1e-9));
    const Evaluation evaluation = Evaluate(problem, result.assignment);
    EXPECT_TRUE(evaluation.ok()) << evaluation.Text();
    EXPECT_DOUBLE_EQ(evaluation.objective_s, result.objective_s);
  }
}

TEST_P(Conformance, SameAnswerTwice) {
  const auto& [name, family] = GetParam();
  auto solver = MakeSolver(name).value();
  const Problem problem = RandomProblem(family.shape, 3);
  const SolveResult first = solver->Solve(problem, {}), second = solver->Solve(problem, {});
  EXPECT_EQ(first.assignment, second.assignment);
  EXPECT_EQ(first.bound_s, second.bound_s);
}

std::vector<std::string> NamesUnderTest() {
  std::vector<std::string> names;
  for (const std::string_view name : SolverNames())
    if (name != "brute") names.emplace_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Solvers, Conformance,
                         testing::Combine(testing::ValuesIn(NamesUnderTest()), testing::ValuesIn(Families())),
                         [](const auto& info) {
                           return std::get<0>(info.param) + std::get<1>(info.param).name;
                         });

TEST(Solver, StopsAtOnceWhenAsked) {
  RandomShape shape;
  shape.units = 30;
  shape.servers = 8;
  shape.types = 4;
  const Problem problem = RandomProblem(shape, 1);
  SolveOptions options;
  options.stop = [] { return true; };
  for (const std::string& name : NamesUnderTest()) {
    const SolveResult result = MakeSolver(name).value()->Solve(problem, options);
    EXPECT_NE(result.status, SolveStatus::kInfeasible);
    if (result.HasAssignment()) {
      EXPECT_TRUE(Evaluate(problem, result.assignment).ok());
    }
  }
}

TEST(Solver, UnknownNameListsTheNames) {
  const auto solver = MakeSolver("simplex");
  ASSERT_FALSE(solver.ok());
  EXPECT_THAT(std::string(solver.status().message()), testing::HasSubstr("highs"));
}

}  // namespace
}  // namespace dilemma
