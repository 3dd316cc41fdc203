// Plans for what is left of a cluster: inside the budget of quality, or outside it by as little as is needed.
#include "recovery/replanner.h"

#include "gmock/gmock.h"
#include "tests/recovery_fixture.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

constexpr double kLeastLoss = 32 * 0.001;  // q8_0 throughout, as MadeUpQuality has it

class ReplannerTest : public testing::Test {
 protected:
  // Three servers that can each hold it all, and a plan at q4_0 on them that nobody asked to be any good.
  void Make(double budget) {
    inputs_.model = *ReadModel(TestModelPath());
    for (const std::string name : {"a", "b", "c"}) {
      Server server;
      server.name = name;
      inputs_.cluster.servers.push_back(server);
    }
    inputs_.profile = MadeUpProfile(inputs_.model, inputs_.cluster);
    inputs_.quality = MadeUpQuality(inputs_.model);
    inputs_.limits.loss_budget = budget;
    const auto units = static_cast<int>(inputs_.model.units.size());
    ASSERT_EQ(units, 32);
    for (int k = 0; k < 3; ++k) {
      PlanStage stage;
      stage.server = inputs_.cluster.servers[static_cast<size_t>(k)].name;
      stage.first_unit = 11 * k;
      stage.last_unit = std::min(units, 11 * (k + 1)) - 1;
      stage.types = UniformTypes(static_cast<size_t>(stage.last_unit - stage.first_unit + 1), "q4_0");
      original_.stages.push_back(stage);
    }
  }
  absl::StatusOr<Plan> Without(const std::string& server, bool allow_worse) {
    ReplannerOptions options;
    options.allow_worse = allow_worse;
    Outage outage;
    outage.servers = {server};
    return Replanner(original_, inputs_, options).PlanWithout(outage);
  }

  PlanInputs inputs_;
  Plan original_;
};

TEST_F(ReplannerTest, InsideTheBudgetWhereThereIsAPlan) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Make(2 * kLeastLoss));
  const auto plan = Without("b", /*allow_worse=*/true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_LE(plan->loss, 2 * kLeastLoss * (1 + 1e-9));
  for (const PlanStage& stage : plan->stages) EXPECT_NE(stage.server, "b");
}

TEST_F(ReplannerTest, OutsideTheBudgetOnlyWhereThatIsAllowedAndByLittle) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Make(kLeastLoss / 2));
  const auto refused = Without("b", /*allow_worse=*/false);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(Message(refused.status())), HasSubstr("--allow-worse"));
  const auto plan = Without("b", /*allow_worse=*/true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GE(plan->loss, kLeastLoss * (1 - 1e-9));
  EXPECT_LE(plan->loss, kLeastLoss * 1.5);  // q4_0 throughout would be ten times that
  for (const PlanStage& stage : plan->stages) EXPECT_NE(stage.server, "b");
}

TEST_F(ReplannerTest, NewShardsHoldTheWeightsThatTheLossWasMeasuredWith) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Make(2 * kLeastLoss));
  const TempDir dir = *TempDir::Create("dilemma-replanner-test");
  ReplannerOptions options;
  int asked = 0;
  options.weights = [&](const TensorInfo&, TensorType) -> absl::StatusOr<std::string> {
    ++asked;
    return Unavailable("as measured");
  };
  const Replanner replanner(original_, inputs_, options);
  Outage outage;
  outage.servers = {"b"};
  absl::StatusOr<Plan> plan = replanner.PlanWithout(outage);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const absl::Status written = replanner.WriteShards(*plan, dir.path(), nullptr);
  EXPECT_THAT(std::string(Message(written)), HasSubstr("as measured"));
  EXPECT_GT(asked, 0);
}

}  // namespace
}  // namespace dilemma
