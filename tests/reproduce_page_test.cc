// The page of `dilemma reproduce`, opened in a real browser (page_test.h).
#include "tests/command_runner.h"
#include "tests/opt_folder.h"
#include "tests/page_test.h"
#include "tests/small_squad.h"

namespace dilemma {
namespace {

class ReproducePage : public PageTest {
 protected:
  void SetUp() override {
    PageTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_TRUE(testing::OptFolderWriter({}).Write(At("opt")).ok());
    ASSERT_TRUE(WriteJson(At("squad.json"), testing::SmallSquad()).ok());
  }
  std::filesystem::path At(const std::string& name) const { return dir_->path() / name; }
  void Reproduce(const std::string& arguments) {
    const auto result = testing::Dilemma("reproduce --quick --model '" + At("opt").string() + "' --out '" +
                                         At("out").string() + "' " + arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    OpenPage(At("out") / "report.html");
  }
};

TEST_F(ReproducePage, HasEveryChartInEveryLayout) {
  ASSERT_NO_FATAL_FAILURE(Reproduce("--questions 6 --squad '" + At("squad.json").string() + "'"));
  ExpectCharts({"cluster-picture", "units-chart", "link-chart", "cpu-chart", "trade-off-chart",
                "solver-chart", "loss-chart", "f1-chart"});
  CheckLayout("study-light", 1100, false);
  CheckLayout("study-dark", 1100, true);
  CheckLayout("study-phone", 360, false);
  CheckLayout("study-phone-dark", 360, true);
}

TEST_F(ReproducePage, SaysWhatItLacksWithoutQuestions) {
  ASSERT_NO_FATAL_FAILURE(Reproduce("--questions 0"));
  ExpectCharts({"cluster-picture", "units-chart", "link-chart", "cpu-chart", "solver-chart"});
  EXPECT_THAT(Value("document.getElementById('quality').innerText").get<std::string>(),
              ::testing::HasSubstr("--questions 0"));
}

}  // namespace
}  // namespace dilemma
