// OPT in our engine against transformers, in float32: both variants, whole and cut over three stages. The
// reference is in tests/fixtures/opt; opt_make.py there made it.
#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "engine/sampler.h"
#include "engine/stage.h"
#include "engine/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "importer/import_opt.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-3;  // of the spread of the logits

struct Reference {
  std::vector<int32_t> prompt, tokens;     // tokens: greedy, after the prompt
  std::vector<std::vector<float>> logits;  // of every position of the prompt, then of every token
};

using Chain = std::vector<std::unique_ptr<Stage>>;

class OptReferenceTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto dir = TempDir::Create("dilemma-opt");
    ASSERT_TRUE(dir.ok()) << dir.status();
    dir_.emplace(*std::move(dir));
    folder_ = fs::path(DILEMMA_SOURCE_DIR) / "tests/fixtures/opt" / GetParam();
    whole_ = dir_->path() / "whole.gguf";
    ImportOptions options;
    options.type = ImportType::kF32;
    const auto imported = ImportOpt(folder_, whole_, options);
    ASSERT_TRUE(imported.ok()) << imported.status();
    const auto json = ReadJson(folder_ / "reference.json");
    ASSERT_TRUE(json.ok()) << json.status();
    (*json)["prompt"].get_to(reference_.prompt);
    (*json)["tokens"].get_to(reference_.tokens);
    (*json)["logits"].get_to(reference_.logits);
    ASSERT_EQ(reference_.logits.size(), reference_.prompt.size() + reference_.tokens.size());
  }

  static std::unique_ptr<Stage> Load(const fs::path& path) {
    auto stage =
        Stage::Load(path, {.context = 64, .sequences = 1, .max_batch = 64, .threads = 1, .all_logits = true});
    EXPECT_TRUE(stage.ok()) << stage.status();
    return stage.ok() ? *std::move(stage) : nullptr;
  }

  // Shards of the units between the cuts, each at `mix`.
  Chain Cut(const fs::path& path, const std::vector<int>& cuts, const std::string& mix) {
    Chain chain;
    const auto model = ReadModel(path);
    EXPECT_TRUE(model.ok()) << model.status();
    for (size_t s = 0; s + 1 < cuts.size(); ++s) {
      const std::vector<TypeMix> types(static_cast<size_t>(cuts[s + 1] - cuts[s]), *TypeMix::Parse(mix));
      const fs::path shard = dir_->path() / fmt::format("{}.gguf", s);
      const auto written = WriteShard(*model, cuts[s], cuts[s + 1] - 1, types, shard);
      EXPECT_TRUE(written.ok()) << written.status();
      chain.push_back(Load(shard));
      if (chain.back() == nullptr) ADD_FAILURE() << "units " << cuts[s] << " to " << cuts[s + 1] - 1;
    }
    return chain;
  }

  // Logits of every row.
  static std::vector<float> Pass(const Chain& chain, std::span<const int32_t> tokens, int position) {
    std::vector<RowPlace> rows;
    for (size_t i = 0; i < tokens.size(); ++i) rows.push_back({position + static_cast<int>(i), 0});
    const std::vector<int8_t> want(tokens.size(), 1);
    std::vector<float> values;
    for (const auto& stage : chain) {
      StageInput input = {.rows = rows, .tokens = {}, .hidden = {}, .want_logits = {}};
      if (stage->has_embedding()) {
        input.tokens = tokens;
      } else {
        input.hidden = values;
      }
      if (stage->has_head()) input.want_logits = want;
      const auto output = stage->Run(input);
      EXPECT_TRUE(output.ok()) << output.status();
      if (!output.ok()) return {};
      values.assign(output->begin(), output->end());
    }
    return values;
  }

  // The reference's prompt in one batch, then its tokens one by one: logits of all positions.
  std::vector<std::vector<float>> Follow(const Chain& chain) const {
    std::vector<std::vector<float>> all;
    const std::vector<float> first = Pass(chain, reference_.prompt, 0);
    const size_t width = reference_.logits.front().size();
    for (size_t i = 0; i + width <= first.size(); i += width) {
      all.emplace_back(first.begin() + static_cast<std::ptrdiff_t>(i),
                       first.begin() + static_cast<std::ptrdiff_t>(i + width));
    }
    int position = static_cast<int>(reference_.prompt.size());
    for (const int32_t token : reference_.tokens) all.push_back(Pass(chain, {&token, 1}, position++));
    return all;
  }

  void ExpectReference(const std::vector<std::vector<float>>& logits) const {
    ASSERT_EQ(logits.size(), reference_.logits.size());
    double largest = 0, low = 0, high = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const std::vector<float>& expected = reference_.logits[i];
      ASSERT_EQ(logits[i].size(), expected.size()) << "position " << i;
      for (size_t j = 0; j < expected.size(); ++j) {
        largest = std::max(largest, std::fabs(static_cast<double>(logits[i][j]) - expected[j]));
        low = std::min<double>(low, expected[j]);
        high = std::max<double>(high, expected[j]);
      }
      if (i + 1 < reference_.prompt.size() || i + 1 == logits.size()) continue;
      const auto best = std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin();
      EXPECT_EQ(best, reference_.tokens[i + 1 - reference_.prompt.size()]) << "position " << i;
    }
    EXPECT_GT(high - low, 1);
    EXPECT_LE(largest, kTolerance * (high - low));
    RecordProperty("largest_difference_per_spread", fmt::format("{:.2e}", largest / (high - low)));
  }

  std::optional<TempDir> dir_;
  fs::path folder_, whole_;
  Reference reference_;
};

TEST_P(OptReferenceTest, WholeModelGivesTheLogitsOfTransformers) {
  Chain whole;
  whole.push_back(Load(whole_));
  ASSERT_NE(whole.front(), nullptr);
  ExpectReference(Follow(whole));
}

TEST_P(OptReferenceTest, ThreeStagesGiveThemTooAndEqualTheWholeExactly) {
  Chain whole;
  whole.push_back(Load(whole_));
  ASSERT_NE(whole.front(), nullptr);
  const auto expected = Follow(whole);
  const int units = static_cast<int>(ReadModel(whole_)->units.size());
  for (const std::vector<int>& cuts :
       {std::vector<int>{0, 2, 4, units}, {0, 1, 3, units}, {0, 3, units - 1, units}}) {
    const Chain chain = Cut(whole_, cuts, "f32");
    ASSERT_FALSE(HasFailure());
    const auto found = Follow(chain);
    ExpectReference(found);
    EXPECT_TRUE(found == expected) << testing::PrintToString(cuts);
  }
}

TEST_P(OptReferenceTest, QuantizedStagesEqualTheQuantizedWholeExactly) {
  const auto model = ReadModel(whole_);
  ASSERT_TRUE(model.ok());
  const int units = static_cast<int>(model->units.size());
  const std::string mix = "f16";
  const fs::path quantized = dir_->path() / "quantized.gguf";
  const std::vector<TypeMix> types(static_cast<size_t>(units), *TypeMix::Parse(mix));
  ASSERT_TRUE(WriteWhole(*model, types, quantized).ok());
  Chain whole;
  whole.push_back(Load(quantized));
  ASSERT_NE(whole.front(), nullptr);
  const Chain chain = Cut(whole_, {0, 2, 3, units}, mix);
  ASSERT_FALSE(HasFailure());
  EXPECT_TRUE(Follow(chain) == Follow(whole));
}

TEST_P(OptReferenceTest, TokensAreThoseOfHuggingFace) {
  const auto tokenizer = Tokenizer::Load(whole_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto cases = ReadJson(folder_ / "tokens.json");
  ASSERT_TRUE(cases.ok());
  for (const Json& item : *cases) {
    const auto text = item["text"].get<std::string>();
    EXPECT_EQ((*tokenizer)->Encode(text, /*special=*/true, /*add_bos=*/true),
              item["ids"].get<std::vector<int32_t>>())
        << testing::PrintToString(text);
  }
}

TEST_P(OptReferenceTest, PositionsEndWhereTheModelHasNoMore) {
  const auto stage = Stage::Load(whole_, {.context = 65, .sequences = 1, .max_batch = 8, .threads = 1});
  ASSERT_FALSE(stage.ok());
  EXPECT_THAT(std::string(Message(stage.status())), testing::HasSubstr("64 positions"));
}

INSTANTIATE_TEST_SUITE_P(Variants, OptReferenceTest, testing::Values("post", "pre"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace dilemma
