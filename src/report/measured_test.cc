#include "report/measured.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

Json RunJson() {
  return {{"tokens", {1, 2, 3}},
          {"prompt_tokens", 12},
          {"measured", {{"decode_ms", 20.5}, {"prefill_ms", 250}}},
          {"stages",
           {{{"server", "a"},
             {"decode_compute_ms", 8},
             {"decode_queue_ms", 0.5},
             {"decode_wire_ms", 2},
             {"prefill_compute_ms", 90}}}}};
}

std::string ErrorOf(const Json& json) {
  return std::string(MeasuredFromJson(json, "run.json").status().message());
}

TEST(Measured, ReadsWhatRunPrints) {
  const auto run = MeasuredFromJson(RunJson(), "run.json");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_DOUBLE_EQ(run->decode_s, 0.0205);
  EXPECT_DOUBLE_EQ(run->prefill_s, 0.25);
  EXPECT_EQ(run->prompt_tokens, 12);
  EXPECT_EQ(run->output_tokens, 3);
  ASSERT_EQ(run->stages.size(), 1U);
  EXPECT_EQ(run->stages[0].server, "a");
  EXPECT_DOUBLE_EQ(run->stages[0].decode_wire_s, 0.002);
}

TEST(Measured, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf(Json::object()), HasSubstr("dilemma run --json"));
  EXPECT_THAT(ErrorOf(Json::array()), HasSubstr("dilemma run --json"));
  Json run = RunJson();
  run["measured"]["decode_ms"] = "fast";
  EXPECT_THAT(ErrorOf(run), HasSubstr("decode_ms"));
  run = RunJson();
  run["stages"][0]["decode_wire_ms"] = -1;
  EXPECT_THAT(ErrorOf(run), HasSubstr("decode_wire_ms"));
  run = RunJson();
  run.erase("tokens");
  EXPECT_THAT(ErrorOf(run), HasSubstr("tokens"));
  run = RunJson();
  run["stages"] = 7;
  EXPECT_THAT(ErrorOf(run), HasSubstr("stages"));
}

}  // namespace
}  // namespace dilemma
