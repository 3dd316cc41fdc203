// `dilemma reproduce` as a user runs it, on a small OPT model with random weights: what it writes, that it
// goes on from what is there, and what it says of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/command_runner.h"
#include "tests/opt_folder.h"

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
    if (!fs::exists(At("out"))) return;
    for (const auto& entry : fs::recursive_directory_iterator(At("out")))
      EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
  }

  TempDir dir_ = *TempDir::Create("dilemma-reproduce");
};

TEST_F(ReproduceCommand, WritesDataTablesAndAPage) {
  const CommandResult result = Reproduce("--questions 0 --model" + Quoted(At("opt")));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("joint plan"));
  EXPECT_THAT(result.out, HasSubstr("--questions 150"));
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
