#include "planner/problem_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/random_problem.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

constexpr char kText[] = R"({
  "compute_ms": [[[1, 2], [3, 4]], [[1, null], [3, null]]],
  "hop_ms": [[0, 5], [6, 0]], "entry_ms": [1, 2], "exit_ms": [3, 4],
  "weight_bytes": [[10, 5], [10, null]], "memory_bytes": [20, 15],
  "loss": [[0, 0.5], [0, null]], "loss_budget": 0.5, "one_block_per_server": true})";

Json Good() { return Json::parse(kText); }

std::string ErrorOf(const Json& json) {
  const auto problem = ProblemFromJson(json, "p.json");
  return problem.ok() ? "" : std::string(problem.status().message());
}

TEST(ProblemFile, ReadsTheBareProblem) {
  const auto problem = ProblemFromJson(Good(), "p.json");
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->units, 2);
  EXPECT_FALSE(problem->Offered(1, 1));
  const Evaluation e = Evaluate(*problem, {{0, 1}, {1, 0}});
  EXPECT_TRUE(e.ok()) << e.Text();
  EXPECT_NEAR(e.objective_s, (1 + 2 + 5 + 3 + 4) / 1e3, 1e-15);
}

TEST(ProblemFile, NamesWhatIsMissing) {
  const Json good = Good();
  for (const auto& [key, value] : good.items()) {
    Json json = Good();
    json.erase(key);
    EXPECT_THAT(ErrorOf(json), HasSubstr(key)) << "without " << key;
  }
}

TEST(ProblemFile, NamesWhatIsNegativeNullOrRagged) {
  Json json = Good();
  json["compute_ms"][1][0][0] = -1;
  EXPECT_THAT(ErrorOf(json), HasSubstr("compute_ms[1][0][0]"));
  json = Good();
  json["hop_ms"][0][1] = nullptr;
  EXPECT_THAT(ErrorOf(json), HasSubstr("hop_ms[0][1]"));
  json = Good();
  json["weight_bytes"][1].push_back(3);
  EXPECT_THAT(ErrorOf(json), HasSubstr("weight_bytes[1]"));
  json = Good();
  json["compute_ms"][1].erase(0);
  EXPECT_THAT(ErrorOf(json), HasSubstr("compute_ms[1]"));
  json = Good();
  json["memory_bytes"] = {1};
  EXPECT_THAT(ErrorOf(json), HasSubstr("memory_bytes"));
  json = Good();
  json["loss"][0][0] = "much";
  EXPECT_THAT(ErrorOf(json), HasSubstr("loss[0][0]"));
  json = Good();
  json["loss_budget"] = -0.1;
  EXPECT_THAT(ErrorOf(json), HasSubstr("loss_budget"));
  json = Good();
  json["hop_ms"][1][1] = 3;
  EXPECT_THAT(ErrorOf(json), HasSubstr("hop_ms[1][1]"));
  json = Good();
  json["one_block_per_server"] = 1;
  EXPECT_THAT(ErrorOf(json), HasSubstr("one_block_per_server"));
  EXPECT_THAT(ErrorOf(Json::array()), HasSubstr("object"));
  EXPECT_FALSE(ParseJson(R"({"loss_budget": NaN})", "p.json").ok());
}

TEST(ProblemFile, WritesWhatItReads) {
  RandomShape shape;
  shape.ragged = shape.pins = shape.ring = shape.stage_costs = shape.disk_limits = true;
  Problem drawn = RandomProblem(shape, 4);
  drawn.size_budget = 123456789;
  const Json written = ProblemToJson(drawn);
  const auto read = ProblemFromJson(written, "p.json");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size_budget, 123456789);
  auto solver = MakeSolver("brute").value();
  const SolveResult a = solver->Solve(drawn, {}), b = solver->Solve(*read, {});
  EXPECT_EQ(a.assignment, b.assignment);
  EXPECT_NEAR(a.objective_s, b.objective_s, 1e-12);
}

TEST(ProblemFile, AnswerSaysHowItEnded) {
  SolveResult result;
  result.status = SolveStatus::kInfeasible;
  result.bound_s = kNever;
  result.reason = "no memory";
  Json json = AnswerToJson(result);
  EXPECT_EQ(json["status"], "infeasible");
  EXPECT_EQ(json["reason"], "no memory");
  EXPECT_TRUE(json["objective_ms"].is_null());
  EXPECT_TRUE(json["assignment"].is_null());
  result = SolveResult();
  result.status = SolveStatus::kOptimal;
  result.assignment = {{1, 0}, {0, 2}};
  result.objective_s = result.bound_s = 0.25;
  result.gap = 0;
  json = AnswerToJson(result);
  EXPECT_EQ(json["objective_ms"], 250.0);
  EXPECT_EQ(json["assignment"].dump(), "[[1,0],[0,2]]");
  EXPECT_FALSE(json.contains("reason"));
}

}  // namespace
}  // namespace dilemma
