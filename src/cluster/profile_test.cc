#include "cluster/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace dilemma {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Profile Example() {
  Profile profile;
  profile.model = "m";
  profile.cluster = "c";
  profile.decode_context = 96;
  profile.prefill_chunk = 64;
  ServerProfile server;
  server.server = "a";
  server.memory_bytes = 100;
  server.stage_prefill_s = 1e-4;
  server.stage_prefill_s_per_token = 2e-6;
  server.times["layer"]["q4_0"] = {1e-3, 1e-6, 3e-4, 1e-5};
  server.times["layer"]["q8_0"] = {2e-3, 1e-7, 2e-4, 2e-5};
  server.left_out = {"head in q8_0: no memory"};
  profile.servers.push_back(server);
  profile.links.push_back({"user", "a", 1e-3, 1e9});
  return profile;
}

TEST(ProfileTest, IsTheSameOnceWrittenAndRead) {
  const Json json = ProfileToJson(Example());
  const auto profile = ProfileFromJson(JsonField(json, "profile.json"));
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(ProfileToJson(*profile), json);
  EXPECT_EQ(profile->servers[0].times.at("layer").at("q4_0").prefill_s, 3e-4);
  EXPECT_THAT(profile->servers[0].left_out, ElementsAre("head in q8_0: no memory"));
}

TEST(ProfileTest, AMixTakesTheTimesOfItsSlowerPart) {
  const auto time = Example().servers[0].Time("layer", "q4_0+attn_v=q8_0");
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->decode_s, 2e-3);
  EXPECT_EQ(time->decode_s_per_ctx, 1e-6);
  EXPECT_EQ(time->prefill_s, 3e-4);
  EXPECT_EQ(time->prefill_s_per_token, 2e-5);
}

TEST(ProfileTest, KnowsWhatWasMeasured) {
  EXPECT_TRUE(Example().Measured("layer", "q8_0"));
  EXPECT_FALSE(Example().Measured("head", "q8_0"));
  EXPECT_THAT(std::string(Example().servers[0].Time("head", "q8_0").status().message()),
              HasSubstr("head in q8_0"));
}

TEST(ProfileTest, RefusesAnOlderVersionAndSenselessTimes) {
  Json json = ProfileToJson(Example());
  json["servers"][0]["times"]["layer"]["q4_0"]["prefill_s"] = -1;
  EXPECT_THAT(std::string(ProfileFromJson(JsonField(json, "p")).status().message()),
              AllOf(HasSubstr("prefill_s"), HasSubstr("negative")));
  json["version"] = 1;
  EXPECT_THAT(std::string(ProfileFromJson(JsonField(json, "p")).status().message()),
              HasSubstr("dilemma profile"));
}

}  // namespace
}  // namespace dilemma
