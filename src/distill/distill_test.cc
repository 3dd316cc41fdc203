#include "distill/distill.h"

#include <random>

#include "base/file.h"
#include "base/status.h"
#include "distill/mixes.h"
#include "distill/sensitivity.h"
#include "distill/tail.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_file.h"
#include "model/gguf_reader.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr int32_t kVocabulary = 4096;

// Two layers of the real model's shapes and ends with few rows, all with random weights: everything is there,
// and runs are short.
class DistillTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!fs::exists(path)) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << path.string();
    }
    ModelInfo source = *ReadModel(path);
    for (Unit* ends : {&source.units.front(), &source.units.back()}) {
      for (TensorInfo& tensor : ends->tensors) {
        if (tensor.shape[1] == source.n_vocab) tensor.shape[1] = kVocabulary;
      }
    }
    source.n_vocab = kVocabulary;
    auto shape = *MakeProbeShape(source);
    shape.layers = 2;
    shape.embedding = shape.head = true;
    shape.mix = "q8_0";
    ASSERT_TRUE(WriteProbeShard(shape, Path("teacher.gguf")).ok());
    model_ = *ReadModel(Path("teacher.gguf"));
    std::mt19937 random(1);
    for (int w = 0; w < 6; ++w) {
      windows_.emplace_back();
      for (int i = 0; i < 24; ++i) windows_.back().push_back(static_cast<int32_t>(random() % kVocabulary));
    }
    types_.assign(4, *TypeMix::Parse("iq4_nl+ffn_down=q5_0"));
    types_.front() = types_.back() = *TypeMix::Parse("q8_0");  // the source's type: copied, which is fast
  }
  fs::path Path(const std::string& name) const { return dir_.path() / name; }

  TempDir dir_ = *TempDir::Create("dilemma-distill-test");
  ModelInfo model_;
  std::vector<std::vector<int32_t>> windows_;
  std::vector<TypeMix> types_;
};

TEST(LateRows, AreOfTheSecondHalf) {
  EXPECT_EQ(LateRows(8, 2), (std::vector<size_t>{5, 7}));
  EXPECT_EQ(LateRows(5, 10), (std::vector<size_t>{2, 3, 4}));
  EXPECT_EQ(LateRows(1, 1), std::vector<size_t>{0});
  EXPECT_TRUE(LateRows(0, 3).empty());
}

TEST_F(DistillTest, WritesAModelInTheTypesAskedFor) {
  const auto shard = Distill(model_, types_, windows_, {.method = DistillMethod::kImportance, .work_dir = {}},
                             Path("student.gguf"));
  ASSERT_TRUE(shard.ok()) << shard.status();
  const auto student = ReadModel(Path("student.gguf"));
  ASSERT_TRUE(student.ok()) << student.status();
  for (size_t u = 0; u < student->units.size(); ++u) {
    for (const TensorInfo& tensor : student->units[u].tensors) {
      if (!tensor.quantizable) continue;
      EXPECT_EQ(tensor.type, types_[u].For(TensorRole(tensor.name))) << tensor.name;
    }
  }
}

TEST_F(DistillTest, AnInterruptedRunGoesOnToTheSameBytes) {
  const DistillOptions options = {.threads = 2, .work_dir = Path("work")};
  const auto whole = Distill(model_, types_, windows_, {.threads = 2, .work_dir = {}}, Path("whole.gguf"));
  ASSERT_TRUE(whole.ok()) << whole.status();
  const auto stopped = Distill(model_, types_, windows_, options, Path("resumed.gguf"),
                               [](const DistillEvent& event) { return event.done < 2; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(Path("resumed.gguf")));
  int taken_up = 0;
  const auto resumed =
      Distill(model_, types_, windows_, options, Path("resumed.gguf"), [&](const DistillEvent& event) {
        taken_up += event.note == "taken up" ? 1 : 0;
        return true;
      });
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(taken_up, 2);
  EXPECT_EQ(resumed->sha256, whole->sha256);
}

TEST_F(DistillTest, BadInputIsRefused) {
  const fs::path path = Path("student.gguf");
  EXPECT_FALSE(Distill(model_, types_, {}, {}, path).ok());
  auto windows = windows_;
  windows[2] = {};
  EXPECT_FALSE(Distill(model_, types_, windows, {}, path).ok());
  windows[2] = {1, 2, kVocabulary};
  EXPECT_FALSE(Distill(model_, types_, windows, {}, path).ok());
  EXPECT_FALSE(Distill(model_, std::span(types_).subspan(1), windows_, {}, path).ok());
  auto types = types_;
  types[1] = *TypeMix::Parse("q4_k");  // rows of 576
  EXPECT_FALSE(Distill(model_, types, windows_, {}, path).ok());
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(DistillTest, SensitivityIsATableForThePlanner) {
  SensitivityOptions options;
  options.threads = 2;
  options.probe_windows = 1;
  options.probe_tokens = 64;
  options.probe_rows = 8;
  options.work_file = Path("part");
  const auto stopped = MeasureSensitivity(model_, windows_, options,
                                          [](const SensitivityEvent& event) { return event.done < 2; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  const auto resumed = MeasureSensitivity(model_, windows_, options);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  const QualityTable* table = &resumed->table;
  EXPECT_TRUE(resumed->whole_models.empty());
  options.work_file.clear();
  options.held_out = {windows_[1], windows_[4]};
  const auto again = MeasureSensitivity(model_, windows_, options);
  ASSERT_TRUE(again.ok()) << again.status();
  // The same losses, scaled so that their sums foretell what a whole model lost.
  ASSERT_EQ(again->whole_models.size(), 1U);
  const WholeModel& whole = again->whole_models[0];
  EXPECT_GT(whole.kl, 0);
  EXPECT_NE(whole.kl, whole.estimate);
  QualityTable scaled = *table;
  ScaleLosses(scaled, whole.kl / whole.estimate);
  for (size_t u = 0; u < scaled.units.size(); ++u) {
    ASSERT_EQ(scaled.units[u].choices.size(), again->table.units[u].choices.size());
    for (size_t c = 0; c < scaled.units[u].choices.size(); ++c) {
      const Choice &expected = scaled.units[u].choices[c], &found = again->table.units[u].choices[c];
      EXPECT_EQ(found.mix, expected.mix);
      EXPECT_NEAR(found.loss, expected.loss, 1e-9 * expected.loss);
    }
  }
  EXPECT_EQ(ImportanceToJson(resumed->importance).dump(), ImportanceToJson(again->importance).dump());
  for (const Unit& unit : model_.units) {
    for (const TensorInfo& tensor : unit.tensors) {
      if (!tensor.quantizable) continue;
      const auto found = again->importance.find(tensor.name);
      ASSERT_NE(found, again->importance.end()) << tensor.name;
      EXPECT_EQ(static_cast<int64_t>(found->second.size()), tensor.shape[0]) << tensor.name;
    }
  }
  ASSERT_EQ(table->units.size(), 4U);
  for (size_t u = 0; u < 4; ++u) {
    const auto& choices = table->units[u].choices;
    ASSERT_GE(choices.size(), 3U);
    for (size_t i = 1; i < choices.size(); ++i) {
      EXPECT_LT(choices[i].bytes, choices[i - 1].bytes);
      EXPECT_GE(choices[i].loss, choices[i - 1].loss);
    }
    for (const Choice& choice : choices) EXPECT_EQ(choice.bytes, *UnitBytes(model_.units[u], choice.mix));
  }
}

TEST(WholeModelsTest, TheFactorIsTheGeometricMeanAndScalesEveryLoss) {
  EXPECT_EQ(FactorOf({}), 1);
  const std::vector<WholeModel> measured = {{100, 0.1, 0.2}, {50, 0.1, 0.8}};
  EXPECT_NEAR(FactorOf(measured), 4, 1e-12);
  QualityTable table;
  table.units = {{"head", {{{}, 2, 0}, {{}, 1, 0.5}}}};
  ScaleLosses(table, 4);
  EXPECT_EQ(table.units[0].choices[0].loss, 0);
  EXPECT_EQ(table.units[0].choices[1].loss, 2);
}

TEST(MixesTest, KeepsTheConvexEdge) {
  Unit unit;
  for (const char* role : {"attn_q", "ffn_up"}) {
    TensorInfo tensor;
    tensor.name = fmt::format("blk.0.{}.weight", role);
    tensor.shape = {64, 10, 1, 1};
    tensor.quantizable = true;
    unit.tensors.push_back(tensor);
  }
  const TensorType q8 = *ParseTensorType("q8_0"), q5 = *ParseTensorType("q5_0"),
                   q4 = *ParseTensorType("q4_0");
  UnitLoss losses = {{{{"attn_q"}, {{q8, 0.001}, {q5, 0.01}, {q4, 0.04}}},
                      {{"ffn_up"}, {{q8, 0.001}, {q5, 0.5}, {q4, 0.6}}}},
                     0};
  const auto mixes = MixesOf(unit, losses, 16);
  std::vector<std::string> texts;
  texts.reserve(mixes.size());
  for (const Choice& choice : mixes) texts.push_back(choice.mix.ToString());
  EXPECT_THAT(texts, testing::ElementsAre("q8_0", "q5_0+ffn_up=q8_0", "q4_0+ffn_up=q8_0", "q4_0"));
  EXPECT_DOUBLE_EQ(mixes[1].loss, 0.011);
  EXPECT_EQ(MixesOf(unit, losses, 2).size(), 2U);
  // What the groups share is taken off; mixes that another then beats in bytes and loss are left out.
  losses.overlap = 0.5;
  const auto less = MixesOf(unit, losses, 16);
  ASSERT_EQ(less.size(), 4U);
  EXPECT_NEAR(less[1].loss, 0.011, 1e-4);
  EXPECT_NEAR(less[3].loss, 0.64 / (1 + 0.5 * 0.04 * 0.6 / 0.64), 1e-12);
  losses.groups[0].losses = {{q8, 0.4}, {q5, 0.45}, {q4, 0.46}};
  losses.overlap = 10;
  const auto flat = MixesOf(unit, losses, 16);
  for (size_t i = 1; i < flat.size(); ++i) {
    EXPECT_LT(flat[i].bytes, flat[i - 1].bytes);
    EXPECT_GT(flat[i].loss, flat[i - 1].loss);
  }
}

}  // namespace
}  // namespace dilemma
