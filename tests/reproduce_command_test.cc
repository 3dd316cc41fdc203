// `dilemma reproduce` as a user runs it, on a small OPT model with random weights: what it writes, that it
// goes on from what is there, and what it says of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/command_runner.h"
#include "tests/opt_folder.h"
#include "tests/small_squad.h"

namespace dilemma::testing {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ReproduceCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status status = OptFolderWriter(OptDimensions{}).Write(At("opt"));
    ASSERT_TRUE(status.ok()) << status;
  }
  fs::path At(const std::string& name) const { return dir_.path() / name; }
  std::string Quoted(const fs::path& path) const { return " '" + path.string() + "'"; }
  CommandResult Reproduce(const std::string& arguments) const {
    return Dilemma("reproduce --quick --out" + Quoted(At("out")) + " " + arguments);
  }
  void ExpectError(const std::string& arguments, const std::string& text) const {
    const CommandResult result = Reproduce(arguments);
    EXPECT_EQ(result.code, 2) << result.out << result.err;
    EXPECT_THAT(result.err, HasSubstr(text));
    for (const char* name : {"study.json", "report.html", "quality.csv"})
      EXPECT_FALSE(fs::exists(At("out") / name)) << name << " in spite of the error";
    if (fs::exists(At("out")))
      for (const auto& entry : fs::recursive_directory_iterator(At("out")))
        EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
  }

  TempDir dir_ = *TempDir::Create("dilemma-reproduce");
};

TEST_F(ReproduceCommand, WritesDataTablesAndAPage) {
  const CommandResult result = Reproduce("--questions 0 --model" + Quoted(At("opt")));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("joint plan"));
  EXPECT_THAT(result.out, HasSubstr("--questions 0"));
  const auto study = ReadJson(At("out") / "study.json");
  ASSERT_TRUE(study.ok()) << study.status();
  EXPECT_EQ((*study)["format"], "dilemma-reproduction");
  const Json& points = (*study)["completion"]["link"]["points"];
  ASSERT_EQ(points.size(), 3 * (*study)["methods"].size());
  double before = 1e9;
  for (const Json& point : points) {  // no method is faster than ours within the same limits
    if (point["method"] == "ours") {
      ASSERT_TRUE(point["request_s"].is_number());
      EXPECT_LT(point["request_s"].get<double>(), before);
      before = point["request_s"].get<double>();
    } else if (point["request_s"].is_number() && point["within_budget"].get<bool>() &&
               point["method"] != "no-quantization") {
      EXPECT_GE(point["request_s"].get<double>(), before * (1 - 1e-3)) << point;
    }
  }
  for (const Json& solver_case : (*study)["solver_time"]["cases"]) {
    EXPECT_EQ(solver_case["ours"]["status"], "optimal") << solver_case;
    EXPECT_EQ(solver_case["cbc"]["status"], "optimal") << solver_case;
    const double ours = solver_case["ours"]["objective_s"].get<double>();
    EXPECT_NEAR(solver_case["cbc"]["objective_s"].get<double>(), ours, 3e-4 * ours);
  }
  EXPECT_THAT(Slurp(At("out") / "completion-link.csv"), HasSubstr("at,method,request_s"));
  EXPECT_THAT(Slurp(At("out") / "report.html"), HasSubstr("\"dilemma-reproduction\""));
}

TEST_F(ReproduceCommand, AsksQuestionsAndTakesUpWhatIsThere) {
  ASSERT_TRUE(WriteJson(At("squad.json"), SmallSquad()).ok());
  const std::string arguments =
      "--json --questions 6 --squad" + Quoted(At("squad.json")) + " --model" + Quoted(At("opt"));
  const CommandResult first = Reproduce(arguments);
  ASSERT_EQ(first.code, 0) << first.err;
  const auto study = ParseJson(first.out, "output");
  ASSERT_TRUE(study.ok()) << study.status();
  const Json& rows = (*study)["quality"]["rows"];
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0]["name"], "teacher");
  EXPECT_TRUE(rows[0]["loss_ratio"].is_null());
  for (const Json& row : rows) EXPECT_GT(row["loss"]["mean"].get<double>(), 0) << row;
  EXPECT_LT(rows[2]["ratio"].get<double>(), rows[1]["ratio"].get<double>()) << "4 bits against 8";
  // Nothing but finished pieces and the imported model stays, and the second run uses them.
  for (const auto& entry : fs::directory_iterator(At("out") / "work"))
    EXPECT_TRUE(entry.path().extension() == ".json" || entry.path().filename() == "opt.gguf") << entry.path();
  const CommandResult second = Reproduce(arguments);
  ASSERT_EQ(second.code, 0) << second.err;
  auto again = ParseJson(second.out, "output");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)["quality"], (*study)["quality"]);
  EXPECT_EQ((*again)["completion"], (*study)["completion"]) << "the study is deterministic";
}

TEST_F(ReproduceCommand, SaysWhatIsWrongWithItsInput) {
  const std::string model = " --model" + Quoted(At("opt"));
  ExpectError("--model" + Quoted(At("nothing.gguf")), "nothing.gguf");
  ASSERT_TRUE(WriteFileAtomically(At("broken.json"), "{\"version\": \"1.1\", \"data\": [").ok());
  ExpectError("--squad" + Quoted(At("broken.json")) + model, "broken.json");
  Json two = SmallSquad();
  two["version"] = "v2.0";
  ASSERT_TRUE(WriteJson(At("two.json"), two).ok());
  ExpectError("--squad" + Quoted(At("two.json")) + model, "version");
  ExpectError("--questions 0 --as-good-as q9_9" + model, "q9_9");
}

TEST_F(ReproduceCommand, RefusesADamagedModelFolder) {
  const auto copy = [&](const std::string& name) {
    fs::copy(At("opt"), At(name), fs::copy_options::recursive);
    return At(name);
  };
  const fs::path no_merges = copy("no-merges");
  fs::remove(no_merges / "merges.txt");
  ExpectError("--questions 0 --model" + Quoted(no_merges), "merges.txt");
  const fs::path cut = copy("cut");
  const fs::path weights = cut / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 1000);
  ExpectError("--questions 0 --model" + Quoted(cut), "model.safetensors");
  const fs::path other = copy("other");
  auto config = ReadJson(other / "config.json");
  ASSERT_TRUE(config.ok());
  (*config)["ffn_dim"] = (*config)["ffn_dim"].get<int>() * 2;
  ASSERT_TRUE(WriteJson(other / "config.json", *config).ok());
  ExpectError("--questions 0 --model" + Quoted(other), "ffn_dim");
}

}  // namespace
}  // namespace dilemma::testing
