// Budgets of `dilemma plan` as a user gives them: size, KL, and plans that are measured on text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "fmt/format.h"
#include "tests/plan_fixture.h"

namespace dilemma::testing {
namespace {

using ::testing::HasSubstr;

class PlanBudget : public PlanTest {
 protected:
  void ExpectError(const std::string& arguments, const std::string& text) const {
    const CommandResult result = fixture_->Plan(arguments);
    EXPECT_NE(result.code, 0);
    EXPECT_THAT(result.err, HasSubstr(text));
  }
  // The fixture's losses, said to be nats of KL.
  void MakeMeasured() const {
    Json quality = *ReadJson(fixture_->At("quality.json"));
    quality["loss"] = "measured";
    ASSERT_TRUE(WriteJson(fixture_->At("quality.json"), quality).ok());
  }
};

TEST_F(PlanBudget, SizeRatioLimitsAllWeightsTogether) {
  const Json free = PlanJson("--max-loss 0.6");
  ASSERT_TRUE(free.is_object());
  const auto ratio = [](const Json& plan) {
    return 100 * plan["size"]["weight_bytes"].get<double>() / plan["size"]["fp32_bytes"].get<double>();
  };
  EXPECT_GT(ratio(free), 15);
  const double asked = ratio(free) - 0.5;
  const Json plan = PlanJson(fmt::format("--max-loss 0.6 --time-limit 5 --size-ratio {}", asked));
  EXPECT_LE(ratio(plan), asked);
  EXPECT_LE(plan["quality"]["loss"].get<double>(), 0.6 + 1e-9);
  EXPECT_GE(plan["predicted"]["request_s"].get<double>(),
            free["predicted"]["request_s"].get<double>() - 1e-6);
  EXPECT_THAT(fixture_->Plan("--time-limit 2 --size-ratio 19").out,
              HasSubstr("% of the model in 32-bit floats"));
  ExpectError("--size-ratio 3", "the smallest types of the quality table take");
  ExpectError("--time-limit 5 --max-loss 0.01 --size-ratio 17.5", "size of all weights");
}

TEST_F(PlanBudget, NatsNeedAMeasuredTable) {
  ExpectError("--max-kl 0.1", "dilemma sensitivity");
  ExpectError("--max-loss-increase 2", "dilemma sensitivity");
  MakeMeasured();
  ExpectError("--max-loss-increase 2", "--check-text");
  ExpectError("--max-kl 0.1 --max-loss 1", "excludes");
  const Json plan = PlanJson("--max-kl 0.5");
  EXPECT_EQ(plan["quality"]["budget"], 0.5);
  EXPECT_FALSE(plan["quality"].contains("check"));
}

TEST_F(PlanBudget, PlansAreMeasuredAndRepaired) {
  MakeMeasured();
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += fmt::format("The {}th lamp of the harbour was lit by hand until the engineers came. ", i);
  ASSERT_TRUE(WriteFileAtomically(fixture_->At("text.txt"), text).ok());
  const std::string check = " --check-windows 2 --check-window 48 --check-rounds 2 --check-text '" +
                            fixture_->At("text.txt").string() + "'";
  const CommandResult result = fixture_->Plan("--max-kl 1.2" + check);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("KL to the teacher"));
  EXPECT_THAT(result.out, HasSubstr("were estimated"));
  const Json plan = *ReadJson(fixture_->At("plan.json"));
  const Json& found = plan["quality"]["check"];
  EXPECT_EQ(found["unit"], "kl");
  EXPECT_EQ(found["target"], 1.2);
  EXPECT_GT(found["kl"]["mean"].get<double>(), 0);
  EXPECT_LE(found["kl"]["mean"].get<double>(), 1.2);
  ASSERT_GE(found["rounds"].size(), 1U);
  ExpectError("--max-kl 1.2 --check-text /nowhere.txt", "/nowhere.txt");
}

}  // namespace
}  // namespace dilemma::testing
