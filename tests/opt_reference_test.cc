// OPT in our engine against transformers, in float32: both variants, whole and cut over three stages. The
// fixtures are in tests/fixtures/opt; opt_make.py beside them made them.
#include "tests/opt_reference.h"

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "engine/layer_probe.h"
#include "engine/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "importer/import_opt.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma::testing {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-3;  // of the spread of the logits
constexpr StageOptions kOptions = {
    .context = 64, .sequences = 1, .max_batch = 64, .threads = 1, .all_logits = true};

class OptReferenceTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto dir = TempDir::Create("dilemma-opt");
    ASSERT_TRUE(dir.ok()) << dir.status();
    dir_.emplace(*std::move(dir));
    folder_ = fs::path(DILEMMA_SOURCE_DIR) / "tests/fixtures/opt" / GetParam();
    whole_ = dir_->path() / "whole.gguf";
    const auto imported = ImportOpt(folder_, whole_, {.type = ImportType::kF32});
    ASSERT_TRUE(imported.ok()) << imported.status();
    auto reference = ReadOptReference(folder_ / "reference.json");
    ASSERT_TRUE(reference.ok()) << reference.status();
    reference_ = *std::move(reference);
    const auto model = ReadModel(whole_);
    ASSERT_TRUE(model.ok()) << model.status();
    units_ = static_cast<int>(model->units.size());
  }

  std::vector<std::vector<float>> Logits(const absl::StatusOr<StageChain>& chain) const {
    EXPECT_TRUE(chain.ok()) << chain.status();
    if (!chain.ok()) return {};
    const auto logits = Follow(*chain, reference_);
    EXPECT_TRUE(logits.ok()) << logits.status();
    return logits.ok() ? *logits : std::vector<std::vector<float>>{};
  }

  void ExpectReference(const std::vector<std::vector<float>>& logits) const {
    const auto difference = Compare(logits, reference_);
    ASSERT_TRUE(difference.ok()) << difference.status();
    EXPECT_GT(difference->spread, 1);
    EXPECT_LE(difference->largest, kTolerance * difference->spread);
    EXPECT_EQ(difference->other_tokens, 0);
    RecordProperty("largest_difference_per_spread",
                   fmt::format("{:.2e}", difference->largest / difference->spread));
  }

  std::optional<TempDir> dir_;
  fs::path folder_, whole_;
  OptReference reference_;
  int units_ = 0;
};

TEST_P(OptReferenceTest, WholeModelGivesTheLogitsOfTransformers) {
  ExpectReference(Logits(WholeModel(whole_, kOptions)));
}

TEST_P(OptReferenceTest, ThreeStagesGiveThemTooAndEqualTheWholeExactly) {
  const auto expected = Logits(WholeModel(whole_, kOptions));
  for (const std::vector<int>& cuts :
       {std::vector<int>{0, 2, 4, units_}, {0, 1, 3, units_}, {0, 3, units_ - 1, units_}}) {
    const auto found = Logits(CutModel(whole_, cuts, "f32", dir_->path(), kOptions));
    ExpectReference(found);
    EXPECT_TRUE(found == expected) << ::testing::PrintToString(cuts);
  }
}

TEST_P(OptReferenceTest, StagesOfAnotherTypeEqualTheWholeOfThatTypeExactly) {
  const auto model = ReadModel(whole_);
  ASSERT_TRUE(model.ok());
  const fs::path converted = dir_->path() / "converted.gguf";
  const std::vector<TypeMix> types(static_cast<size_t>(units_), *TypeMix::Parse("f16"));
  ASSERT_TRUE(WriteWhole(*model, types, converted).ok());
  const auto whole = Logits(WholeModel(converted, kOptions));
  EXPECT_FALSE(whole.empty());
  EXPECT_TRUE(Logits(CutModel(whole_, {0, 2, 3, units_}, "f16", dir_->path(), kOptions)) == whole);
}

TEST_P(OptReferenceTest, TokensAreThoseOfHuggingFace) {
  const auto tokenizer = Tokenizer::Load(whole_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto cases = ReadJson(folder_ / "tokens.json");
  ASSERT_TRUE(cases.ok());
  EXPECT_GT(cases->size(), 30u);
  for (const Json& item : *cases) {
    const auto text = item["text"].get<std::string>();
    EXPECT_EQ((*tokenizer)->Encode(text, /*special=*/true, /*add_bos=*/true),
              item["ids"].get<std::vector<int32_t>>())
        << ::testing::PrintToString(text);
  }
}

TEST_P(OptReferenceTest, PositionsEndWhereTheModelHasNoMore) {
  const auto stage = Stage::Load(whole_, {.context = 65, .sequences = 1, .max_batch = 8, .threads = 1});
  ASSERT_FALSE(stage.ok());
  EXPECT_THAT(std::string(Message(stage.status())), ::testing::HasSubstr("64 positions"));
}

// One run over a text gives every group's input, as stopping at each does.
TEST_P(OptReferenceTest, ProbesInputsAtOnceEqualThoseOneByOne) {
  const auto model = *ReadModel(whole_);
  const TypeMix wide = *TypeMix::Parse("f32");
  const auto rows = static_cast<size_t>(model.n_embd) * 7;
  std::vector<float> hidden(rows);
  for (size_t i = 0; i < rows; ++i) hidden[i] = std::sin(static_cast<float>(i));
  for (const int unit : {1, units_ - 1}) {
    const fs::path path = dir_->path() / "unit.gguf";
    ASSERT_TRUE(WriteShard(model, unit, unit, {&wide, 1}, path).ok());
    const auto probe = *LayerProbe::Load(path, 16, 1);
    std::vector<std::vector<float>> inputs;
    std::vector<float> output;
    const auto take = [&](int group, std::span<const float> input) {
      EXPECT_EQ(group, static_cast<int>(inputs.size()));
      inputs.emplace_back(input.begin(), input.end());
    };
    ASSERT_TRUE(probe->Inputs(hidden, take, &output).ok());
    ASSERT_EQ(inputs.size(), probe->groups().size());
    const auto right = *probe->Output(hidden);
    EXPECT_EQ(output, std::vector<float>(right.begin(), right.end()));
    for (size_t g = 0; g < inputs.size(); ++g) {
      const auto one = *probe->InputOf(hidden, static_cast<int>(g));
      EXPECT_EQ(inputs[g], std::vector<float>(one.begin(), one.end()))
          << "group " << g << " of unit " << unit;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, OptReferenceTest, ::testing::Values("post", "pre"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace dilemma::testing
