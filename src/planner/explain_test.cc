#include "planner/explain.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

Problem Impossible(uint64_t* seed, double tightness) {
  RandomShape shape;
  shape.stage_costs = true;
  shape.tightness = tightness;
  auto brute = MakeSolver("brute").value();
  for (;; ++*seed) {
    Problem p = RandomProblem(shape, *seed);
    if (brute->Solve(p, {}).status == SolveStatus::kInfeasible) return p;
  }
}

// What a remedy says is tried: with it the problem is possible, with a little less it is not.
void CheckRemedy(const Problem& problem, const Remedy& remedy, Problem with, Problem with_less) {
  auto brute = MakeSolver("brute").value();
  EXPECT_TRUE(remedy.proven) << remedy.text;
  EXPECT_EQ(brute->Solve(with, {}).HasAssignment(), remedy.possible) << remedy.text;
  if (remedy.possible) {
    EXPECT_FALSE(brute->Solve(with_less, {}).HasAssignment()) << remedy.text;
  }
  EXPECT_EQ(brute->Solve(problem, {}).status, SolveStatus::kInfeasible);
}

TEST(ExplainInfeasible, EveryAmountIsTheLeast) {
  int possible = 0;
  uint64_t seed = 0;
  for (int i = 0; i < 8; ++i, ++seed) {
    const Problem problem = Impossible(&seed, i % 2 == 0 ? 0.6 : 0.8);
    const Infeasibility why = ExplainInfeasible(problem, {});
    EXPECT_TRUE(why.proven);
    EXPECT_FALSE(why.reason.empty());
    for (const Remedy& remedy : why.remedies) {
      possible += remedy.possible ? 1 : 0;
      Problem with = problem, less = problem;
      if (remedy.resource == "loss budget") {
        with.loss_budget = remedy.possible ? remedy.to : kNever;
        less.loss_budget = remedy.to * (1 - 1e-5);
      } else if (remedy.resource == "one block per server") {
        with.one_block_per_server = false;
      } else if (remedy.resource == "memory of every server") {
        for (size_t n = 0; n < with.memory_bytes.size(); ++n) {
          const auto memory = static_cast<double>(problem.memory_bytes[n]);
          with.memory_bytes[n] = static_cast<int64_t>(memory * remedy.to * (1 + 1e-6)) + 1;
          less.memory_bytes[n] = static_cast<int64_t>(memory * remedy.to * (1 - 1e-5));
        }
      } else {
        for (size_t n = 0; n < with.memory_bytes.size(); ++n) {
          if (remedy.resource != "memory of " + problem.server_names[n]) continue;
          with.memory_bytes[n] = remedy.possible ? static_cast<int64_t>(remedy.to) : kNoLimit / 4;
          less.memory_bytes[n] = static_cast<int64_t>(remedy.to * (1 - 1e-5));
        }
      }
      CheckRemedy(problem, remedy, with, less);
    }
  }
  EXPECT_GT(possible, 5);
}

TEST(ExplainInfeasible, DiskBusyTimeAndNumberOfServersToo) {
  RandomShape shape;
  shape.servers = 4;
  shape.disk_limits = shape.busy_limits = true;
  shape.max_servers = 1;
  auto brute = MakeSolver("brute").value();
  int disk = 0, busy = 0, servers = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Problem problem = RandomProblem(shape, seed);
    for (double& limit : problem.busy_limit_s) limit *= seed % 2 == 0 ? 3 : 1;
    for (int64_t& bytes : problem.memory_bytes) bytes *= seed % 2 == 0 ? 3 : 1;
    if (seed % 4 == 1) problem.max_servers = 0;
    if (seed % 4 == 3) problem.busy_limit_s.assign(problem.busy_limit_s.size(), kNever);
    if (brute->Solve(problem, {}).HasAssignment()) continue;
    for (const Remedy& remedy : ExplainInfeasible(problem, {}).remedies) {
      Problem with = problem, less = problem;
      for (size_t n = 0; n < with.disk_bytes.size(); ++n) {
        if (remedy.resource == "disk of " + problem.server_names[n]) {
          with.disk_bytes[n] = remedy.possible ? static_cast<int64_t>(remedy.to) : kNoLimit;
          less.disk_bytes[n] = static_cast<int64_t>(remedy.to * (1 - 1e-5));
          ++disk;
        } else if (remedy.resource == "busy time of " + problem.server_names[n]) {
          with.busy_limit_s[n] = remedy.possible ? remedy.to * (1 + 1e-6) : kNever;
          less.busy_limit_s[n] = remedy.to * (1 - 1e-5);
          ++busy;
        }
      }
      if (remedy.resource == "largest number of servers") {
        with.max_servers = static_cast<int>(remedy.to);
        less.max_servers = static_cast<int>(remedy.to) - 1;
        ++servers;
      }
      if (with.disk_bytes == problem.disk_bytes && with.busy_limit_s == problem.busy_limit_s &&
          with.max_servers == problem.max_servers)
        continue;
      CheckRemedy(problem, remedy, with, less);
    }
  }
  EXPECT_GT(disk, 0);
  EXPECT_GT(busy, 0);
  EXPECT_GT(servers, 0);
}

TEST(ExplainInfeasible, SizeOfAllWeights) {
  RandomShape shape;
  shape.size_budget = true;
  int asked = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Problem problem = RandomProblem(shape, seed);
    problem.size_budget /= 3;
    for (const Remedy& remedy : ExplainInfeasible(problem, {}).remedies) {
      if (remedy.resource != "size of all weights") continue;
      Problem with = problem, less = problem;
      with.size_budget = remedy.possible ? static_cast<int64_t>(remedy.to) : kNoLimit;
      less.size_budget = static_cast<int64_t>(remedy.to) - 1;
      CheckRemedy(problem, remedy, with, less);
      asked += remedy.possible ? 1 : 0;
    }
  }
  EXPECT_GT(asked, 3);
}

TEST(ExplainInfeasible, AUnitWithoutAServer) {
  Problem p = RandomProblem({}, 1);
  for (int n = 0; n < p.servers; ++n) p.allowed[p.Un(2, n)] = 0;
  EXPECT_THAT(ExplainInfeasible(p, {}).reason, testing::HasSubstr("unit 2"));
}

TEST(FindBinding, NamesFullMemoryAndBudget) {
  Problem p = RandomProblem({}, 2);
  p.loss_budget = 1e9;
  for (auto& bytes : p.memory_bytes) bytes = kNoLimit / 4;
  const Assignment one_server(static_cast<size_t>(p.units), {0, 1});
  EXPECT_TRUE(FindBinding(p, one_server).empty());
  const Evaluation e = Evaluate(p, one_server);
  p.memory_bytes[0] = e.servers[0].memory_bytes + 10;
  p.loss_budget = e.loss;
  Problem tight = p;
  const auto binding = FindBinding(tight, one_server);
  ASSERT_EQ(binding.size(), 1u);  // every unit has its smallest type: no more loss is possible
  EXPECT_EQ(binding[0].limit, "memory of server 0");
  const Assignment larger(static_cast<size_t>(p.units), {0, 0});
  p.memory_bytes[0] = kNoLimit / 4;
  p.size_budget = Evaluate(p, one_server).weight_bytes + 10;
  ASSERT_EQ(FindBinding(p, one_server).size(), 1u);
  EXPECT_EQ(FindBinding(p, one_server)[0].limit, "size");
  p.size_budget = Evaluate(p, larger).weight_bytes;
  EXPECT_TRUE(FindBinding(p, larger).empty());  // nothing larger is there
}

}  // namespace
}  // namespace dilemma
