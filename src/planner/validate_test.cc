#include "planner/validate.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

// Three units on two servers with round numbers: everything can be added up by hand.
Problem Small() {
  Problem p;
  p.Resize(3, 2, 2);
  p.decode_steps = 10;
  for (int u = 0; u < 3; ++u) {
    for (int q = 0; q < 2; ++q) {
      p.offered[p.Uq(u, q)] = 1;
      p.weight_bytes[p.Uq(u, q)] = q == 0 ? 100 : 40;
      p.loss[p.Uq(u, q)] = q == 0 ? 0 : 1;
      for (int n = 0; n < 2; ++n) {
        p.compute.decode_s[p.At(u, n, q)] = (n + 1) * (q == 0 ? 0.002 : 0.001);
        p.compute.prefill_s[p.At(u, n, q)] = 0.01;
      }
    }
    for (int n = 0; n < 2; ++n) p.fixed_bytes[p.Un(u, n)] = 10;
  }
  p.stage.decode_s = {0.0001, 0.0002};
  p.hop.decode_s = {0, 0.003, 0.004, 0};
  p.hop.prefill_s = {0, 0.03, 0.04, 0};
  p.ring.decode_s = {0, 0.0005, 0.0006, 0};
  p.entry.prefill_s = {0.1, 0.2};
  p.exit.prefill_s = {0.3, 0.4};
  p.stage_bytes = {5, 5};
  p.memory_bytes = {200, 200};
  p.loss_budget = 2;
  p.link_busy = p.hop;
  p.Fold();
  return p;
}

const Assignment kPlan = {{0, 1}, {0, 1}, {1, 0}};

TEST(Evaluate, AddsUpByHand) {
  const Problem p = Small();
  const Evaluation e = Evaluate(p, kPlan);
  ASSERT_TRUE(e.ok()) << e.Text();
  const double decode = (0.0001 + 0.001 + 0.001) + 0.003 + (0.0002 + 0.004) + 0.0006;
  const double prefill = 0.1 + 0.03 + 3 * 0.01 + 0.4;
  EXPECT_DOUBLE_EQ(e.decode_s, decode);
  EXPECT_DOUBLE_EQ(e.prefill_s, prefill);
  EXPECT_DOUBLE_EQ(e.request_s, prefill + 10 * decode);
  EXPECT_DOUBLE_EQ(e.objective_s, e.request_s);
  EXPECT_DOUBLE_EQ(e.ring_s, 0.0006);
  EXPECT_DOUBLE_EQ(e.loss, 2);
  ASSERT_EQ(e.stages.size(), 2u);
  EXPECT_EQ(e.stages[0].last_unit, 1);
  EXPECT_DOUBLE_EQ(e.stages[1].hop_decode_s, 0.003);
  EXPECT_EQ(e.servers[0].memory_bytes, 40 + 40 + 20 + 5);
  EXPECT_EQ(e.servers[1].memory_bytes, 100 + 10 + 5);
  EXPECT_EQ(e.servers[1].disk_bytes, 100);
}

TEST(Evaluate, ThroughputIsTheBusiestPart) {
  Problem p = Small();
  p.objective = Objective::kThroughput;
  const double server1 = 0.01 + 10 * (0.0002 + 0.004);
  const double link = 0.03 + 10 * 0.003;
  EXPECT_DOUBLE_EQ(Evaluate(p, kPlan).objective_s, std::max(server1, link));
}

TEST(Evaluate, MovesCountInTheObjectiveAlone) {
  Problem p = Small();
  p.move_s.assign(p.compute.size(), 0.5);
  const Evaluation e = Evaluate(p, kPlan);
  EXPECT_DOUBLE_EQ(e.objective_s, e.request_s + 1.5);
}

// Breaks one limit and expects that one alone to be named, by the amount given.
void ExpectBroken(const Problem& p, const Assignment& assignment, LimitKind kind, double amount) {
  const Evaluation e = Evaluate(p, assignment);
  ASSERT_EQ(e.violations.size(), 1u) << Name(kind) << ": " << e.Text();
  EXPECT_EQ(Name(e.violations[0].kind), Name(kind));
  EXPECT_NEAR(e.violations[0].amount, amount, 1e-9);
  EXPECT_FALSE(e.violations[0].text.empty());
}

TEST(Evaluate, NamesEveryBrokenLimit) {
  Problem p = Small();
  p.memory_bytes[0] = 104;
  ExpectBroken(p, kPlan, LimitKind::kMemory, 1);
  p = Small();
  p.disk_bytes[1] = 97;
  ExpectBroken(p, kPlan, LimitKind::kDisk, 3);
  p = Small();
  p.busy_limit_s[0] = 0.002;
  ExpectBroken(p, kPlan, LimitKind::kBusy, 0.0001);
  p = Small();
  p.loss_budget = 1.5;
  ExpectBroken(p, kPlan, LimitKind::kLoss, 0.5);
  p = Small();
  p.size_budget = Evaluate(p, kPlan).weight_bytes;
  EXPECT_TRUE(Evaluate(p, kPlan).ok());
  p.size_budget -= 2;
  ExpectBroken(p, kPlan, LimitKind::kSize, 2);
  p = Small();
  p.max_servers = 1;
  ExpectBroken(p, kPlan, LimitKind::kMaxServers, 1);
  p = Small();
  p.allowed[p.Un(2, 1)] = 0;
  ExpectBroken(p, kPlan, LimitKind::kAllowed, 1);
  p = Small();
  p.offered[p.Uq(2, 0)] = 0;
  ExpectBroken(p, kPlan, LimitKind::kMenu, 1);
  p = Small();
  p.compute.decode_s[p.At(2, 1, 0)] = kNever;
  ExpectBroken(p, kPlan, LimitKind::kMenu, 1);
  p = Small();
  ExpectBroken(p, {{0, 1}, {1, 1}, {0, 0}}, LimitKind::kOneBlock, 1);
  ExpectBroken(p, {{0, 1}, {0, 1}}, LimitKind::kShape, 1);
  ExpectBroken(p, {{0, 1}, {0, 1}, {2, 0}}, LimitKind::kShape, 1);
  ExpectBroken(p, {{0, 1}, {0, -1}, {1, 0}}, LimitKind::kShape, 1);
}

TEST(Evaluate, OtherBlocksCostTheirOwnBuffers) {
  Problem p = Small();
  p.one_block_per_server = false;
  p.loss_budget = 3;
  const Evaluation e = Evaluate(p, {{0, 1}, {1, 1}, {0, 1}});
  EXPECT_TRUE(e.ok()) << e.Text();
  EXPECT_EQ(e.servers[0].stages, 2);
  EXPECT_EQ(e.servers[0].memory_bytes, 80 + 20 + 2 * 5);
}

TEST(Problem, CheckNamesTheTable) {
  Problem p = Small();
  p.hop.decode_s.pop_back();
  EXPECT_THAT(std::string(p.Check().message()), HasSubstr("hop"));
  p = Small();
  p.loss[1] = std::nan("");
  EXPECT_THAT(std::string(p.Check().message()), HasSubstr("loss"));
}

}  // namespace
}  // namespace dilemma
