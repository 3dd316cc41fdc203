// `dilemma fleet` as a user runs it: on bare problems, on a real model twice over one cluster, and on bad
// input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "fmt/format.h"
#include "plan/plan.h"
#include "planner/problem_file.h"
#include "planner/random_problem.h"
#include "tests/plan_fixture.h"

namespace dilemma::testing {
namespace {

using ::testing::HasSubstr;

TEST(FleetCommand, PlansBareProblemsTogether) {
  const TempDir dir = *TempDir::Create("dilemma-fleet");
  RandomShape shape;
  shape.tightness = 3;
  const std::string a = dir.path() / "a.json", b = dir.path() / "b.json";
  ASSERT_TRUE(WriteJson(a, ProblemToJson(RandomProblem(shape, 1))).ok());
  ASSERT_TRUE(WriteJson(b, ProblemToJson(RandomProblem(shape, 2))).ok());
  const CommandResult result = Dilemma(fmt::format("fleet --json '{}' '{}' --weights 2 1", a, b));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = ParseJson(result.out, "output");
  ASSERT_TRUE(json.ok()) << result.out;
  EXPECT_EQ((*json)["status"], "optimal") << result.out;
  ASSERT_EQ((*json)["models"].size(), 2U);
  double sum = 0;
  for (const Json& model : (*json)["models"])
    sum += model["weight"].get<double>() * model["objective_ms"].get<double>();
  EXPECT_NEAR(sum, (*json)["objective_ms"].get<double>(), 1e-9 * sum);
  EXPECT_LE((*json)["bound_ms"].get<double>(), sum);
  for (const Json& server : (*json)["servers"]) EXPECT_LE(server["used_bytes"], server["memory_bytes"]);
  EXPECT_THAT(Dilemma(fmt::format("fleet '{}' '{}'", a, b)).out, HasSubstr("weighted sum"));
}

TEST(FleetCommand, SaysWhatIsWrong) {
  const TempDir dir = *TempDir::Create("dilemma-fleet");
  RandomShape shape;
  const std::string a = dir.path() / "a.json", b = dir.path() / "b.json", toml = dir.path() / "f.toml";
  ASSERT_TRUE(WriteJson(a, ProblemToJson(RandomProblem(shape, 1))).ok());
  shape.servers = 2;
  ASSERT_TRUE(WriteJson(b, ProblemToJson(RandomProblem(shape, 1))).ok());
  const auto error = [](const std::string& arguments) {
    const CommandResult result = Dilemma("fleet " + arguments);
    EXPECT_EQ(result.code, 2) << result.out << result.err;
    return result.err;
  };
  EXPECT_THAT(error(fmt::format("'{}' '{}'", a, b)), HasSubstr("b has 2 servers, a has 3"));
  EXPECT_THAT(error(fmt::format("'{}' --weights 1 2", a)), HasSubstr("2 numbers for 1 problems"));
  EXPECT_THAT(error(fmt::format("'{}' --weights -1", a)), HasSubstr("--weights"));
  ASSERT_TRUE(WriteFileAtomically(toml, "[[model]]\nproblem = \"missing.json\"\n").ok());
  EXPECT_NE(Dilemma(fmt::format("fleet '{}'", toml)).code, 0);
  EXPECT_THAT(error(fmt::format("'{}' '{}'", toml, a)), HasSubstr("one fleet file"));
}

TEST(FleetCommand, TwoRealModelsShareTheMemory) {
  SKIP_WITHOUT_MODEL();
  auto fixture = PlanFixture::Create();
  ASSERT_TRUE(fixture.ok()) << fixture.status();
  const std::string model =
      fmt::format("[[model]]\npath = \"{}\"\nprofile = \"profile.json\"\nquality = \"quality.json\"\n",
                  SmolModel().string());
  const std::string toml = "cluster = \"cluster.toml\"\n" + model +
                           "name = \"first\"\nas_good_as = \"q4_0\"\n" + model +
                           "name = \"second\"\nas_good_as = \"q4_0\"\nweight = 3\n";
  ASSERT_TRUE(WriteFileAtomically(fixture->At("fleet.toml"), toml).ok());
  // memory for two
  Cluster cluster = fixture->cluster();
  for (Server& server : cluster.servers)
    if (server.memory_bytes) *server.memory_bytes *= 2;
  ASSERT_TRUE(WriteFileAtomically(fixture->At("cluster.toml"), ClusterToToml(cluster)).ok());
  const std::string out = fixture->At("").string();
  const CommandResult result = Dilemma(
      fmt::format("fleet --json --gap 0.02 '{}' --out '{}'", fixture->At("fleet.toml").string(), out));
  ASSERT_EQ(result.code, 0) << result.err;
  const Json json = *ParseJson(result.out, "output");
  for (const char* name : {"first", "second"}) {
    const auto plan = ReadPlan(fixture->At(fmt::format("{}.plan.json", name)));
    ASSERT_TRUE(plan.ok()) << plan.status();
    const Json& entry = json["models"][name == std::string("first") ? 0 : 1];
    EXPECT_NEAR(plan->predicted.request_s * 1e3, entry["objective_ms"].get<double>(), 1e-6);
  }
}

}  // namespace
}  // namespace dilemma::testing
