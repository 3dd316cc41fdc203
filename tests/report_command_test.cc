// `dilemma report` as a user runs it, on files of the other commands' formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/command_runner.h"
#include "tests/report_fixture.h"

namespace dilemma::testing {
namespace {

using ::testing::HasSubstr;

class ReportCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    fixture_ = *MakeReportFixture();
    Write("plan.json", PlanToJson(fixture_.plan));
    Write("profile.json", ProfileToJson(fixture_.profile));
    Write("quality.json", QualityToJson(fixture_.quality));
    Json stages = Json::array();
    for (const PlanStage& stage : fixture_.plan.stages) {
      stages.push_back({{"server", stage.server},
                        {"decode_compute_ms", 3},
                        {"decode_queue_ms", 0.1},
                        {"decode_wire_ms", 2},
                        {"prefill_compute_ms", 40}});
    }
    run_ = {{"tokens", {1, 2}},
            {"prompt_tokens", 9},
            {"measured", {{"decode_ms", 31}, {"prefill_ms", 200}}},
            {"stages", stages}};
    Write("run.json", run_);
    ASSERT_TRUE(WriteFileAtomically(At("cluster.toml"), ClusterToToml(fixture_.cluster)).ok());
  }

  std::filesystem::path At(const std::string& name) const { return dir_.path() / name; }
  std::string Quoted(const std::string& name) const { return " '" + At(name).string() + "'"; }
  void Write(const std::string& name, const Json& json) const { ASSERT_TRUE(WriteJson(At(name), json).ok()); }
  CommandResult Report(const std::string& arguments) const {
    return Dilemma("report" + Quoted("plan.json") + " -o" + Quoted("out.html") + arguments);
  }
  void ExpectError(const std::string& arguments, const std::string& text) const {
    const CommandResult result = Report(arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(text));
    EXPECT_FALSE(std::filesystem::exists(At("out.html"))) << "a page in spite of the error";
  }

  TempDir dir_ = *TempDir::Create("dilemma-report-command");
  ReportFixture fixture_;
  Json run_;
};

TEST_F(ReportCommand, WritesAPageAndSaysWhatItLacks) {
  const CommandResult result = Report(" -c" + Quoted("cluster.toml") + " -p" + Quoted("profile.json") +
                                      " --measured" + Quoted("run.json"));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("out.html"));
  EXPECT_THAT(result.err, HasSubstr("--model"));
  const std::string page = Slurp(At("out.html"));
  EXPECT_THAT(page, HasSubstr("Fixture-200M on four-servers"));
  EXPECT_THAT(page, HasSubstr(R"("decode_s":0.031)"));
}

TEST_F(ReportCommand, PrintsItsDataAsJson) {
  const CommandResult result = Report(" --json -q" + Quoted("quality.json"));
  EXPECT_EQ(result.code, 0) << result.err;
  const auto data = ParseJson(result.out, "output");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ((*data)["format"], "dilemma-report");
  EXPECT_EQ((*data)["units"].size(), fixture_.model.units.size());
  EXPECT_TRUE((*data)["units"][0]["loss"].is_number());
}

TEST_F(ReportCommand, RefusesFilesOfAnotherPlan) {
  run_["stages"][1]["server"] = "tiny";
  Write("other-run.json", run_);
  ExpectError(" --measured" + Quoted("other-run.json"), "another plan");
  ExpectError(" --measured" + Quoted("plan.json"), "dilemma run --json");
  ExpectError(" -p" + Quoted("plan.json"), "dilemma-profile");
  ASSERT_TRUE(WriteFileAtomically(At("two.toml"), "[[server]]\nname='gateway'\n[[server]]\nname='x'\n").ok());
  ExpectError(" -c" + Quoted("two.toml"), "edge-fast");
  ExpectError(" --model" + Quoted("run.json"), "run.json");
  ExpectError(" --points -3", "--points");
}

TEST_F(ReportCommand, LeavesAnOldPageWhereItFails) {
  EXPECT_EQ(Report("").code, 0);
  const std::string before = Slurp(At("out.html"));
  EXPECT_EQ(Report(" --measured" + Quoted("plan.json")).code, 2);
  EXPECT_EQ(Slurp(At("out.html")), before);
}

}  // namespace
}  // namespace dilemma::testing
