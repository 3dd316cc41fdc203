// `dilemma chaos`, short: every kind of trouble once or twice, every answer checked; and that it can fail.
// DILEMMA_CHAOS_FOR="3 min" makes it longer, with trouble every 20 s.
#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "gmock/gmock.h"
#include "tests/command_runner.h"
#include "tests/recovery_fixture.h"

namespace dilemma {
namespace {

TEST(ChaosTest, EveryAnswerIsRightWhateverDies) {
  SKIP_WITHOUT_MODEL();
  const TempDir dir = *TempDir::Create("dilemma-chaos-test");
  Cluster cluster;
  cluster.name = "three";
  for (const std::string name : {"a", "b", "c"}) {
    Server server;
    server.name = name;
    server.threads = 1;
    server.memory_bytes = int64_t{120} << 20;  // two can hold it
    cluster.servers.push_back(server);
  }
  const ModelInfo model = *ReadModel(testing::SmolModel());
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "c.toml", ClusterToToml(cluster)).ok());
  ASSERT_TRUE(WriteJson(dir.path() / "p.json", ProfileToJson(MadeUpProfile(model, cluster))).ok());
  ASSERT_TRUE(WriteJson(dir.path() / "q.json", QualityToJson(MadeUpQuality(model))).ok());
  const std::string at = dir.path().string();
  const char* length = std::getenv("DILEMMA_CHAOS_FOR");
  const std::string schedule = length == nullptr ? R"(--every "6 s" --down "4 s" --for "18 s")"
                                                 : fmt::format(R"(--every "20 s" --for "{}")", length);
  const auto result = testing::Dilemma("chaos " + at + "/c.toml --profile " + at + "/p.json --quality " + at +
                                           "/q.json --users 2 -n 24 --json " + schedule,
                                       length == nullptr ? 200 : 7200);
  ASSERT_EQ(result.code, 0) << result.err << result.out;
  const auto json = Json::parse(result.out);
  EXPECT_GT(json["requests"].get<int>(), 0);
  EXPECT_TRUE(json["wrong"].empty()) << json["wrong"].dump();
  EXPECT_EQ(json["requests"].get<int>(), json["same"].get<int>() + json["replanned"].get<int>());
  EXPECT_GE(json["troubles"].size(), 3u);
  EXPECT_GT(json["losses"].get<int>(), 0) << "nothing was ever lost: the trouble was none";
}

TEST(ChaosTest, NonsenseIsRefused) {
  SKIP_WITHOUT_MODEL();
  for (const std::string arguments : {"chaos nowhere.toml", "chaos nowhere.toml --kinds flood"}) {
    const auto result = testing::Dilemma(arguments, 30);
    EXPECT_NE(result.code, 0) << arguments;
    EXPECT_FALSE(result.err.empty());
  }
}

}  // namespace
}  // namespace dilemma
