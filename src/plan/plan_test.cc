#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace dilemma {
namespace {

using ::testing::HasSubstr;

Plan SmallPlan() {
  Plan plan;
  plan.model_name = "m";
  plan.model_path = "m.gguf";
  plan.arch = "llama";
  plan.loss_kind = "weight";
  plan.status = "optimal";
  plan.predicted.decode_s = 0.0125;
  plan.binding = {"loss budget: 0.2 of 0.2 used"};
  plan.stages.resize(2);
  plan.stages[0].server = "a";
  plan.stages[0].last_unit = 1;
  plan.stages[0].types = {*TypeMix::Parse("q8_0"), *TypeMix::Parse("q4_0+ffn_down=q5_0")};
  plan.stages[0].shard = std::string(64, 'a');
  plan.stages[1].server = "b";
  plan.stages[1].first_unit = plan.stages[1].last_unit = 2;
  plan.stages[1].types = {*TypeMix::Parse("q5_1")};
  return plan;
}

std::string ErrorOf(const Json& json) {
  return std::string(Message(PlanFromJson(JsonField(json, "plan.json")).status()));
}

TEST(PlanTest, ReadsWhatItWrites) {
  const Json json = PlanToJson(SmallPlan());
  const Plan again = *PlanFromJson(JsonField(json, "plan.json"));
  EXPECT_EQ(PlanToJson(again), json);
  EXPECT_EQ(again.TypeOf(1).ToString(), "q4_0+ffn_down=q5_0");
  EXPECT_EQ(again.units(), 3);
}

TEST(PlanTest, KeepsItsSizeAndWhatWasMeasured) {
  Plan plan = SmallPlan();
  plan.fp32_bytes = 4000;
  plan.stages[0].weight_bytes = 500;
  plan.stages[1].weight_bytes = 10;
  QualityCheck check;
  check.text = "book.txt: 8 windows of 512 tokens";
  check.unit = "kl";
  check.target = 0.06;
  check.kl = {0.055, 0.05, 0.06};
  check.teacher_loss = 3.1;
  check.loss_increase = {0.02, 0.01, 0.03};
  check.rounds = {{"solved", 0.06, 0.06, 0.07, 0.4, false}, {"swapped", 0.06, 0.05, 0.055, 0.41, true}};
  plan.check = check;
  const Json json = PlanToJson(plan);
  const Plan again = *PlanFromJson(JsonField(json, "plan.json"));
  EXPECT_EQ(PlanToJson(again), json);
  EXPECT_EQ(json["size"]["weight_bytes"], 510);
  ASSERT_TRUE(again.check.has_value());
  EXPECT_EQ(again.check->rounds.at(1).how, "swapped");
  EXPECT_EQ(again.check->loss_increase.high, 0.03);
  Json broken = json;
  broken["quality"]["check"]["rounds"][0].erase("measured");
  EXPECT_THAT(ErrorOf(broken), HasSubstr("quality.check.rounds[0]"));
}

TEST(PlanTest, KeepsItsExplanation) {
  Plan plan = SmallPlan();
  plan.explanation.limits = {{"memory of a", "MiB", 60.5, 64, 0, 2, 0.25, 0.5, true},
                             {"link a - b", "Mbit/s", std::nullopt, 100, 0.01, 1, 0.01, 0.02, false}};
  plan.explanation.unused = {{"c", true, true, 0.1, "the best plan that uses c takes 100 ms longer"}};
  plan.explanation.seconds = 1.5;
  const Json json = PlanToJson(plan);
  const Plan again = *PlanFromJson(JsonField(json, "plan.json"));
  EXPECT_EQ(PlanToJson(again), json);
  ASSERT_EQ(again.explanation.limits.size(), 2U);
  EXPECT_EQ(again.explanation.limits[0].used, 60.5);
  EXPECT_FALSE(again.explanation.limits[1].used.has_value());
  EXPECT_EQ(again.explanation.unused.at(0).server, "c");
  Json broken = json;
  broken["explanation"]["limits"][1].erase("one_s");
  EXPECT_THAT(ErrorOf(broken), HasSubstr("explanation.limits[1]"));
}

TEST(PlanTest, ErrorsNameTheField) {
  Json json = PlanToJson(SmallPlan());
  json["stages"][1]["types"][0] = "q9_9";
  EXPECT_THAT(ErrorOf(json), HasSubstr("plan.json: stages[1].types[0]"));
  json = PlanToJson(SmallPlan());
  json["stages"][1]["first_unit"] = 3;
  EXPECT_THAT(ErrorOf(json), HasSubstr("unit 2 comes next"));
  json = PlanToJson(SmallPlan());
  json["stages"][0]["types"].erase(0);
  EXPECT_THAT(ErrorOf(json), HasSubstr("1 types for 2 units"));
  json = PlanToJson(SmallPlan());
  json["stages"][0]["shard"] = "../../etc/passwd";
  EXPECT_THAT(ErrorOf(json), HasSubstr("not a sha256"));
  json = PlanToJson(SmallPlan());
  json["workload"]["users"] = 0;
  EXPECT_THAT(ErrorOf(json), HasSubstr("'users' must be 1"));
  json = PlanToJson(SmallPlan());
  json["version"] = 2;
  EXPECT_THAT(ErrorOf(json), HasSubstr("version 2"));
  EXPECT_THAT(ErrorOf(Json::array()), HasSubstr("dilemma-plan"));
}

// Every value of every field replaced by something else: an error or a plan, never a crash.
TEST(PlanTest, HostileValues) {
  const Json good = PlanToJson(SmallPlan());
  const Json flat = good.flatten();
  const std::vector<Json> evil = {nullptr, -1, 1e300, "x", Json::array(), Json::object(), true, "\xff\xfe"};
  for (const auto& [key, unused] : flat.items()) {
    for (const Json& value : evil) {
      Json mutated = flat;
      mutated[key] = value;
      Json json;
      try {
        json = mutated.unflatten();
      } catch (const Json::exception&) {
        continue;  // not a value that flattens
      }
      const auto plan = PlanFromJson(JsonField(json, "plan.json"));
      EXPECT_TRUE(!plan.ok() || CheckShape(*plan, "x").ok());
    }
  }
}

}  // namespace
}  // namespace dilemma
