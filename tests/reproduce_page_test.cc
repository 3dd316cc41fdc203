// The page of `dilemma reproduce`, as the program writes it, opened in a real browser (page_test.h).
#include "fmt/format.h"
#include "tests/command_runner.h"
#include "tests/opt_folder.h"
#include "tests/page_test.h"
#include "tests/squad_bees.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

class ReproducePage : public PageTest {
 protected:
  // The page of a quick study of a small OPT model with random weights.
  void Study(const std::string& arguments) {
    const fs::path model = dir_->path() / "opt", out = dir_->path() / "out";
    const absl::Status written = testing::OptFolderWriter(testing::OptDimensions{}).Write(model);
    ASSERT_TRUE(written.ok()) << written;
    const auto result = testing::Dilemma(fmt::format(
        "reproduce --quick --threads 1 --model '{}' --out '{}' {}", model.string(), out.string(), arguments));
    ASSERT_EQ(result.code, 0) << result.err;
    ASSERT_NO_FATAL_FAILURE(OpenPage(out / "report.html"));
  }
};

TEST_F(ReproducePage, HasEveryChartInEveryLayout) {
  const fs::path squad = dir_->path() / "bees.json";
  ASSERT_TRUE(WriteJson(squad, testing::SquadOfBees("1.1")).ok());
  ASSERT_NO_FATAL_FAILURE(Study(fmt::format("--questions 6 --squad '{}'", squad.string())));
  ExpectCharts({"cluster-picture", "units-chart", "link-chart", "cpu-chart", "trade-off-chart",
                "solver-chart", "loss-chart", "f1-chart"});
  const Json data = Value("JSON.parse(document.getElementById('data').textContent)");
  const Json marks = Value(kCountMarks);
  EXPECT_GE(marks["units-chart"].get<size_t>(), data["plan"]["units"].size());
  // A point for every method at every speed, where it has a plan.
  for (const char* axis : {"link", "cpu"}) {
    size_t planned = 0;
    for (const Json& point : data["completion"][axis]["points"])
      planned += point["request_s"].is_number() ? 1 : 0;
    const Json dots = Value(fmt::format("document.querySelectorAll('#{}-chart svg circle').length", axis));
    EXPECT_GE(dots.get<size_t>(), planned) << axis;
  }
  CheckLayout("reproduce-light", 1100, false);
  CheckLayout("reproduce-dark", 1100, true);
  CheckLayout("reproduce-tablet", 720, false);
  CheckLayout("reproduce-phone", 360, false);
  CheckLayout("reproduce-phone-dark", 360, true);
}

TEST_F(ReproducePage, SaysWhyNothingWasAsked) {
  ASSERT_NO_FATAL_FAILURE(Study("--questions 0"));
  EXPECT_NE(Value("document.getElementById('quality').innerText").get<std::string>().find("--questions"),
            std::string::npos);
  CheckLayout("reproduce-no-questions", 1100, false);
}

}  // namespace
}  // namespace dilemma
