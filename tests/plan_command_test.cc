// `dilemma plan` as a user runs it: on a real model with a made-up cluster, and on bare problems.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "fmt/format.h"
#include "planner/problem_file.h"
#include "planner/random_problem.h"
#include "tests/plan_fixture.h"

namespace dilemma::testing {
namespace {

using ::testing::HasSubstr;

class PlanCommand : public PlanTest {
 protected:
  void ExpectError(const std::string& arguments, const std::string& text) const {
    const CommandResult result = fixture_->Plan(arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(text));
  }
};

TEST_F(PlanCommand, ExplainsWhatMoreOfEachLimitIsWorth) {
  const Json plan = PlanJson("--as-good-as q4_0 --explain");
  ASSERT_TRUE(plan.is_object());
  EXPECT_EQ(plan["solver"]["status"], "optimal");
  EXPECT_EQ(*ReadJson(fixture_->At("plan.json")), plan);
  const Json& limits = plan["explanation"]["limits"];
  ASSERT_EQ(limits.size(), 1 + 4 + 6);  // loss, memory of each server, links
  const Json* memory = nullptr;
  for (const Json& limit : limits) {
    EXPECT_TRUE(limit["proven"].get<bool>()) << limit;
    if (memory == nullptr && limit["unit"] == "MiB" && limit["least"] > 0) memory = &limit;
  }
  ASSERT_NE(memory, nullptr) << "memory is what is short here: " << limits;
  // With that much more memory in the cluster file the plan is as much faster.
  std::string toml = Slurp(fixture_->At("cluster.toml"));
  Cluster cluster = fixture_->cluster();
  for (Server& server : cluster.servers)
    if (memory->at("limit") == "memory of " + server.name)
      *server.memory_bytes += memory->at("least").get<int64_t>() << 20;
  ASSERT_TRUE(WriteFileAtomically(fixture_->At("cluster.toml"), ClusterToToml(cluster)).ok());
  const double before = plan["predicted"]["request_s"],
               after = PlanJson("--as-good-as q4_0")["predicted"]["request_s"];
  EXPECT_NEAR(before - after, memory->at("least_s").get<double>(), 1e-5 * before);
}

TEST_F(PlanCommand, ExplanationIsATableForPeople) {
  const CommandResult result = fixture_->Plan("--as-good-as q5_0 --explain");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("what more of it saves"));
  EXPECT_THAT(result.out, HasSubstr("memory of gateway"));
  EXPECT_THAT(fixture_->Plan("--help").out, HasSubstr("--explain"));
}

TEST_F(PlanCommand, DrawsTheCurveOfDelayAgainstLoss) {
  const std::string page = (fixture_->At("curve.html")).string();
  const Json plan = PlanJson("--as-good-as q4_0 --frontier --points 4 --page '" + page + "'");
  ASSERT_TRUE(plan.is_object());
  const Json& curve = plan["trade_off"]["curve"];
  ASSERT_EQ(curve.size(), 4U);
  for (size_t i = 0; i < curve.size(); ++i) {
    EXPECT_EQ(curve[i]["status"], "optimal");
    if (i > 0) {
      EXPECT_LE(curve[i]["request_s"].get<double>(), curve[i - 1]["request_s"].get<double>() * (1 + 1e-6));
      EXPECT_GT(curve[i]["loss"].get<double>(), curve[i - 1]["loss"].get<double>());
    }
  }
  // A point of the curve is what planning with its budget gives.
  const Json same = PlanJson(fmt::format("--max-loss {}", curve[1]["budget"].get<double>()));
  EXPECT_NEAR(same["predicted"]["request_s"].get<double>(), curve[1]["request_s"].get<double>(), 1e-5);
  EXPECT_THAT(Slurp(page), HasSubstr("Delay against quality"));
  const CommandResult text = fixture_->Plan("--as-good-as q4_0 --frontier --points 3 --page '" + page + "'");
  EXPECT_THAT(text.out, HasSubstr("loss budget"));
  EXPECT_THAT(text.out, HasSubstr("proven"));
  ExpectError(
      "--as-good-as q4_0 --frontier --objective throughput --time-limit 2 --gap 0.5 --page '" + page + "'",
      "throughput");
}

TEST_F(PlanCommand, PinsUnitsAndLeavesServersOut) {
  const Json plan = PlanJson("--as-good-as q4_0 --pin embedding=slow --pin 3-5=tiny --pin head=gateway");
  ASSERT_TRUE(plan.is_object());
  EXPECT_EQ(plan["stages"].front()["server"], "slow");
  EXPECT_EQ(plan["stages"].back()["server"], "gateway");
  for (const Json& stage : plan["stages"])
    if (stage["first_unit"] <= 6 && stage["last_unit"] >= 4) {
      EXPECT_EQ(stage["server"], "tiny");
    }
  const Json without = PlanJson("--max-loss 100 --without tiny");
  for (const Json& stage : without["stages"]) EXPECT_NE(stage["server"], "tiny");
  ExpectError("--pin 3-99=tiny", "layers 0 to 29");
  ExpectError("--pin tiny", "pin 'tiny'");
  ExpectError("--pin head=nobody", "nobody");
  ExpectError("--without nobody", "nobody");
}

TEST_F(PlanCommand, PlansAgainWhenAServerIsLost) {
  const Json old = PlanJson("--max-loss 1.2 --users 2");
  ASSERT_TRUE(old.is_object());
  const std::string lost = old["stages"].back()["server"].get<std::string>();
  const std::filesystem::path saved = fixture_->At("old.json");
  ASSERT_TRUE(WriteJson(saved, old).ok());
  const Json again = PlanJson("--from '" + saved.string() + "' --without " + lost);
  ASSERT_TRUE(again.is_object());
  EXPECT_EQ(again["old_plan"], old);
  EXPECT_EQ(again["plan"]["workload"], old["workload"]);
  EXPECT_EQ(again["plan"]["quality"]["budget"], old["quality"]["budget"]);
  EXPECT_TRUE(again["unchanged"]["request_s"].is_null());
  EXPECT_GT(again["moved_bytes"].get<int64_t>(), 0);
  EXPECT_GE(again["shipped_bytes"].get<int64_t>(), again["moved_bytes"].get<int64_t>());
  for (const Json& stage : again["plan"]["stages"]) EXPECT_NE(stage["server"], lost);
  EXPECT_EQ(*ReadJson(fixture_->At("plan.json")), again["plan"]);
}

TEST_F(PlanCommand, AnswersWhatIf) {
  const Json same = PlanJson("--max-loss 1.2 --what-if 'link gateway-fast 50 Mbit/s'");  // as it is
  EXPECT_EQ(same["moves"].size(), 0U);
  EXPECT_NEAR(same["after"]["request_s"].get<double>(), same["before"]["request_s"].get<double>(), 1e-6);
  const Json slow =
      PlanJson("--max-loss 1.2 --what-if 'slowdown fast 8' --what-if 'slowdown gateway 8' --serve 1e9");
  EXPECT_GT(slow["after"]["request_s"].get<double>(), slow["before"]["request_s"].get<double>());
  EXPECT_LE(slow["after"]["request_s"].get<double>(), slow["unchanged"]["request_s"].get<double>() + 1e-6);
  const CommandResult text =
      fixture_->Plan("--max-loss 1.2 --what-if 'users +1' --what-if 'link user-slow 5 ms'");
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* part :
       {"old plan\n", "new plan\n", "a request before", "after, old plan", "after, new plan"})
    EXPECT_THAT(text.out, HasSubstr(part));
  ExpectError("--what-if 'users many'", "users many");
  ExpectError("--what-if 'link fast-nobody 1 ms'", "fast-nobody");
  ExpectError("--from '" + fixture_->At("quality.json").string() + "'", "dilemma plan");
  const CommandResult never =
      fixture_->Plan("--max-loss 1.2 --what-if 'memory fast 17 MiB' --without gateway --without slow");
  EXPECT_NE(never.code, 0);
  EXPECT_THAT(never.err, HasSubstr("no plan can keep every limit"));
}

TEST(PlanProblem, IsExplainedToo) {
  const TempDir dir = *TempDir::Create("dilemma-problem");
  RandomShape shape;
  shape.units = 6;
  shape.servers = 4;
  ASSERT_TRUE(WriteJson(dir.path() / "problem.json", ProblemToJson(RandomProblem(shape, 2))).ok());
  const std::string file = "plan --problem '" + (dir.path() / "problem.json").string() + "'";
  const CommandResult json = Dilemma(file + " --explain --json");
  ASSERT_EQ(json.code, 0) << json.err;
  const Json answer = *ParseJson(json.out, "output");
  ASSERT_EQ(answer["status"], "optimal") << answer;
  EXPECT_EQ(answer["explanation"]["limits"].size(), 1 + 4);
  EXPECT_EQ(ParseJson(Dilemma(file + " --frontier --points 3 --json").out, "output")
                ->at("trade_off")["curve"]
                .size(),
            3U);
  EXPECT_FALSE(ParseJson(Dilemma(file + " --json").out, "output")->contains("explanation"));
}

TEST(PlanProblem, WithoutAPlanIsAnErrorForPeopleAndAnAnswerForScripts) {
  const TempDir dir = *TempDir::Create("dilemma-problem");
  Problem problem = RandomProblem({}, 2);
  for (int64_t& bytes : problem.memory_bytes) bytes = 1;
  ASSERT_TRUE(WriteJson(dir.path() / "problem.json", ProblemToJson(problem)).ok());
  const std::string file = "plan --problem '" + (dir.path() / "problem.json").string() + "'";
  const CommandResult text = Dilemma(file);
  EXPECT_NE(text.code, 0);
  EXPECT_THAT(text.err, HasSubstr("problem.json' has no plan: infeasible"));
  const CommandResult json = Dilemma(file + " --json");
  EXPECT_EQ(json.code, 0) << json.err;
  EXPECT_EQ(ParseJson(json.out, "output")->at("status"), "infeasible");
}

}  // namespace
}  // namespace dilemma::testing
