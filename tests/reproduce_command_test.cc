// `dilemma reproduce` as a user runs it, on a small OPT model with random weights: what it writes, that it
// goes on from what is there, and what it says of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/command_runner.h"
#include "tests/opt_folder.h"
#include "tests/squad_bees.h"

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
    return Dilemma("reproduce --quick --threads 1 --out" + Quoted(At("out")) + " " + arguments);
  }
  void ExpectError(const std::string& arguments, const std::string& text) const {
    const CommandResult result = Reproduce(arguments);  // 124 where it hangs
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

TEST_F(ReproduceCommand, RefusesBadQuestionsAtOnce) {
  const auto with = [&](const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(At(name), text).ok());
    return "--questions 4 --model" + Quoted(At("opt")) + " --squad" + Quoted(At(name));
  };
  ExpectError(with("v2.json", SquadOfBees("v2.0").dump()), "v2.json: has version 'v2.0'");
  ExpectError(with("unanswerable.json",
                   SquadOfBees("1.1", {{"is_impossible", true}, {"answers", Json::array()}}).dump()),
              "version 2 of SQuAD");
  ExpectError(with("cut.json", SquadOfBees("1.1").dump().substr(0, 3000)), "cut.json: not valid JSON");
  ExpectError(with("empty.json", ""), "empty.json: is empty");
  ExpectError(with("none.json", R"({"version": "1.1", "data": []})"), "none.json: holds no articles");
  ExpectError("--quick --squad" + Quoted(At("v2.json")),
              "v2.json: has version 'v2.0'");  // not asked, yet read
  EXPECT_FALSE(fs::exists(At("out"))) << "work began before the questions were read";
  Json one = SquadOfBees("1.1");
  one["data"].erase(one["data"].begin() + 1, one["data"].end());
  ExpectError(with("one.json", one.dump()), "one.json: has");
}

TEST_F(ReproduceCommand, AsksTeacherAndStudentsTheSameQuestions) {
  ASSERT_TRUE(WriteJson(At("bees.json"), SquadOfBees("1.1")).ok());
  const std::string arguments =
      "--questions 6 --model" + Quoted(At("opt")) + " --squad" + Quoted(At("bees.json"));
  const CommandResult result = Reproduce(arguments);
  ASSERT_EQ(result.code, 0) << result.err;
  const auto study = ReadJson(At("out") / "study.json");
  ASSERT_TRUE(study.ok()) << study.status();
  const Json& rows = (*study)["quality"]["rows"];
  std::vector<std::string> names;
  for (const Json& row : rows) names.push_back(row["name"]);
  ASSERT_THAT(names, ::testing::ElementsAre("teacher", "uniform-8", "uniform-4", "joint", "joint-distilled"));
  EXPECT_GE((*study)["quality"]["questions"].get<int>(), 6);
  EXPECT_EQ(rows[0]["ratio"], 1.0);  // the folder's weights are F32
  EXPECT_GT(rows[1]["ratio"].get<double>(), 8.5 / 32);
  EXPECT_LT(rows[1]["ratio"].get<double>(), 0.5);
  EXPECT_LT(rows[2]["ratio"].get<double>(), rows[1]["ratio"].get<double>());
  EXPECT_EQ(rows[3]["weight_bytes"], rows[4]["weight_bytes"]);
  EXPECT_NE(rows[3]["loss"]["mean"], rows[4]["loss"]["mean"]) << "distillation changed nothing";
  const auto off = [&rows](int row) { return std::abs(rows[row]["loss_ratio"]["mean"].get<double>() - 1); };
  EXPECT_GT(off(1), 0);
  EXPECT_LT(off(1), 0.02) << "eight bits change next to nothing";
  EXPECT_LT(off(1), off(2));
  EXPECT_THAT(Slurp(At("out") / "quality.csv"), HasSubstr("\"joint, distilled\","));
  for (const auto& entry :
       fs::recursive_directory_iterator(At("out") / "work"))  // but for the imported teacher
    EXPECT_TRUE(entry.path().extension() != ".gguf" || entry.path().filename() == "opt.gguf") << entry.path();

  // The same questions again are answered from what was kept.
  const std::string before = Slurp(At("out") / "quality.csv");
  ASSERT_TRUE(fs::remove(At("out") / "quality.csv"));
  const CommandResult again = Reproduce(arguments);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(Slurp(At("out") / "quality.csv"), before);
}

}  // namespace
}  // namespace dilemma::testing
