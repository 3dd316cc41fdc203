// `dilemma sensitivity`, `distill` and `quantize --distill` as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "fmt/format.h"
#include "model/gguf_reader.h"
#include "plan/plan.h"
#include "tests/command_runner.h"

namespace dilemma::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DistillCommand : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_MODEL(); }
  std::string At(const std::string& name) const { return (dir_.path() / name).string(); }
  std::string Text(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(WriteFileAtomically(At(name), text).ok());
    return At(name);
  }
  // A few hundred words that are no sentence twice.
  std::string SomeText() const {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      text += fmt::format("On day {} the river rose by {} feet, and {} houses of the town stood in water. ",
                          i, i * 7 % 11, i * i % 97);
    }
    return Text("some.txt", text);
  }

  TempDir dir_ = *TempDir::Create("dilemma-distill-command");
};

TEST_F(DistillCommand, HostileCalibrationTextIsRefused) {
  struct Case {
    std::string path, message;
  };
  const std::vector<Case> cases = {{Text("empty.txt", ""), "no text"},
                                   {Text("blank.txt", "\n \t\n\n"), "no text"},
                                   {Text("zero.txt", std::string("words\0words", 11)), "no UTF-8"},
                                   {Text("latin.txt", "caf\xe9 caf\xe9"), "no UTF-8"},
                                   {Text("short.txt", "Just these few words."), "window"},
                                   {Text("broken.json", "{\"data\": [{]}"), "broken.json"},
                                   {At("missing.txt"), "missing.txt"},
                                   {SmolModel().string(), "no UTF-8"}};
  for (const Case& text : cases) {
    for (const std::string& command : std::vector<std::string>{"distill --types q4_0 -o", "sensitivity -o"}) {
      const auto result = Dilemma(
          fmt::format("{} '{}' '{}' --calib '{}'", command, At("out"), SmolModel().string(), text.path));
      EXPECT_EQ(result.code, 2) << text.path << ": " << result.err;
      EXPECT_THAT(result.err, HasSubstr(text.message)) << text.path;
      EXPECT_FALSE(fs::exists(At("out")));
      EXPECT_FALSE(fs::exists(At("out.work")));
    }
  }
}

TEST_F(DistillCommand, OptionsThatDoNotGoTogetherAreRefused) {
  const std::string start =
      fmt::format("distill '{}' --calib '{}' -o '{}' ", SmolModel().string(), SomeText(), At("out"));
  for (const std::string& rest :
       std::vector<std::string>{"", "--types q9_9", "--types q4_k", "--max-file '90 MB'",
                                "--quality missing.json", "--quality missing.json --max-file '90 MB'",
                                "--types q4_0 --plan plan.json", "--types q4_0 --windows 3"}) {
    const auto result = Dilemma(start + rest);
    EXPECT_NE(result.code, 0) << rest;
    EXPECT_FALSE(result.err.empty()) << rest;
    EXPECT_FALSE(fs::exists(At("out"))) << rest;
  }
}

// One layer in four bits, the rest as F16: everything happens, and quickly.
Plan PlanWithOneSmallLayer(const ModelInfo& model) {
  Plan plan;
  plan.model_name = model.name;
  plan.model_path = model.path;
  plan.model_sha256 = *Sha256OfFile(model.path);
  plan.arch = model.arch;
  plan.loss_kind = "measured";
  const int last = static_cast<int>(model.units.size()) - 1;
  for (const auto& [server, first, end] : {std::tuple("a", 0, 9), std::tuple("b", 10, last)}) {
    PlanStage stage;
    stage.server = server;
    stage.first_unit = first;
    stage.last_unit = end;
    stage.types.assign(static_cast<size_t>(end - first + 1), *TypeMix::Parse("f16"));
    if (first == 10) stage.types[2] = *TypeMix::Parse("iq4_nl");
    plan.stages.push_back(std::move(stage));
  }
  return plan;
}

std::string BytesOf(const fs::path& file, const std::string& name) {
  const ModelInfo model = *ReadModel(file);
  for (const Unit& unit : model.units) {
    for (const TensorInfo& tensor : unit.tensors) {
      if (tensor.name == name) return *ReadTensorBytes(file, tensor);
    }
  }
  return "";
}

TEST_F(DistillCommand, AQuantizedPlanHasDistilledShards) {
  const ModelInfo model = *ReadModel(SmolModel());
  const std::string text = SomeText();
  std::map<std::string, std::string> down;
  for (const std::string& how :
       std::vector<std::string>{"", "--calib '" + text + "' --windows 4 --window 64",
                                "--distill --calib '" + text + "' --windows 4 --window 64"}) {
    const std::string name = how.empty()                    ? "plain"
                             : how.starts_with("--distill") ? "distilled"
                                                            : "importance";
    ASSERT_TRUE(WriteJson(At("plan.json"), PlanToJson(PlanWithOneSmallLayer(model))).ok());
    const auto result = Dilemma(fmt::format("quantize '{}' --shards '{}' --whole '{}' {}", At("plan.json"),
                                            At(name), At(name + ".gguf"), how),
                                /*limit_s=*/600);
    ASSERT_EQ(result.code, 0) << result.err;
    const Plan plan = *ReadPlan(At("plan.json"));
    for (const PlanStage& stage : plan.stages)
      EXPECT_TRUE(fs::exists(fs::path(At(name)) / (stage.shard + ".gguf")));
    EXPECT_FALSE(fs::exists(fs::path(At(name)) / "distill.work"));
    // The shard that "b" gets holds what the whole model holds. Unit 12 is layer 11: the shard's third.
    down[name] = BytesOf(At(name + ".gguf"), "blk.11.ffn_down.weight");
    ASSERT_FALSE(down[name].empty());
    const std::string shard = Slurp(fs::path(At(name)) / (plan.stages[1].shard + ".gguf"));
    EXPECT_NE(shard.find(down[name]), std::string::npos) << name;
  }
  // Quantized again without distillation, nothing of the distilled shards is left in the plan.
  const auto again = Dilemma(fmt::format("quantize '{}' --shards '{}' --whole '{}'", At("plan.json"),
                                         At("distilled"), At("again.gguf")));
  ASSERT_EQ(again.code, 0) << again.err;
  const Plan plain = *ReadPlan(At("plan.json"));
  EXPECT_EQ(BytesOf(At("again.gguf"), "blk.11.ffn_down.weight"), down["plain"]);
  EXPECT_TRUE(fs::exists(fs::path(At("plain")) / (plain.stages[1].shard + ".gguf")));
  EXPECT_NE(down["plain"], down["importance"]);
  EXPECT_NE(down["importance"], down["distilled"]);
  EXPECT_NE(down["plain"], down["distilled"]);
}

TEST_F(DistillCommand, QuantizeRoundsByTheImportanceInAQualityFile) {
  const ModelInfo model = *ReadModel(SmolModel());
  const std::string name = "blk.11.ffn_down.weight";
  std::string columns;
  for (int i = 0; i < 1536; ++i) columns += fmt::format("{}{}", i == 0 ? "" : " ", i % 32 == 0 ? 100 : 1);
  const auto write = [&](const std::string& list) {
    Text("quality.json", R"({"format": "dilemma-quality", "version": 1, "importance": [)" + list + "]}");
  };
  ASSERT_TRUE(WriteJson(At("plan.json"), PlanToJson(PlanWithOneSmallLayer(model))).ok());
  const auto quantize = [&](const std::string& more) {
    return Dilemma(fmt::format("quantize '{}' --shards '{}' --whole '{}' {}", At("plan.json"), At("shards"),
                               At("whole.gguf"), more));
  };
  const std::string by_importance = fmt::format("--importance '{}'", At("quality.json"));
  write(fmt::format(R"({{"tensor": "{}", "columns": "{}"}})", name, columns));
  const auto result = quantize(by_importance);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("quality.json"));
  const std::string weighted = BytesOf(At("whole.gguf"), name);
  const std::string shard =
      Slurp(fs::path(At("shards")) / (ReadPlan(At("plan.json"))->stages[1].shard + ".gguf"));
  EXPECT_NE(shard.find(weighted), std::string::npos);
  EXPECT_EQ(quantize("").code, 0);
  EXPECT_NE(BytesOf(At("whole.gguf"), name), weighted);
  for (const std::string& bad :
       {fmt::format(R"({{"tensor": "{}", "columns": "1 2"}})", name), std::string()}) {
    write(bad);
    EXPECT_EQ(quantize(by_importance).code, 2) << bad;
    EXPECT_FALSE(fs::exists(fs::path(At("shards")) / "distill.work"));
  }
}

TEST_F(DistillCommand, DistillNeedsText) {
  const ModelInfo model = *ReadModel(SmolModel());
  ASSERT_TRUE(WriteJson(At("plan.json"), PlanToJson(PlanWithOneSmallLayer(model))).ok());
  const auto result =
      Dilemma(fmt::format("quantize '{}' --shards '{}' --distill", At("plan.json"), At("shards")));
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("--calib"));
  EXPECT_FALSE(fs::exists(At("shards")));
}

}  // namespace
}  // namespace dilemma::testing
