// A chain of shards computes what the whole model does, bit for bit.
#include <algorithm>
#include <random>

#include "base/file.h"
#include "base/status.h"
#include "engine/sampler.h"
#include "engine/stage.h"
#include "engine/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr int kDecoded = 64;

fs::path ModelPath() { return CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"; }

#define NEEDS_MODEL()                                                                                  \
  if (!fs::exists(ModelPath())) {                                                                      \
    GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << ModelPath().string(); \
  }

struct Step {
  std::vector<std::vector<float>> logits;  // of the last row of every pass
  std::vector<int32_t> tokens;             // greedy
};

using Chain = std::vector<std::unique_ptr<Stage>>;

std::vector<float> Pass(const Chain& chain, std::span<const int32_t> tokens, int first_position) {
  std::vector<RowPlace> rows;
  for (size_t i = 0; i < tokens.size(); ++i) rows.push_back({first_position + static_cast<int>(i), 0});
  std::vector<float> values;
  for (const auto& stage : chain) {
    StageInput input = {.rows = rows, .tokens = {}, .hidden = {}, .want_logits = {}};
    if (stage->has_embedding()) {
      input.tokens = tokens;
    } else {
      input.hidden = values;
    }
    auto output = stage->Run(input);
    EXPECT_TRUE(output.ok()) << output.status();
    if (!output.ok()) return {};
    values.assign(output->begin(), output->end());
  }
  return values;
}

Step Generate(const Chain& chain, std::span<const int32_t> prompt, size_t chunk) {
  Step result;
  auto sampler = Sampler::Create({});
  int position = 0;
  for (size_t i = 0; i < prompt.size(); i += chunk) {
    const auto part = prompt.subspan(i, std::min(chunk, prompt.size() - i));
    result.logits.push_back(Pass(chain, part, position));
    position += static_cast<int>(part.size());
  }
  for (int i = 0; i < kDecoded; ++i) {
    const int32_t token = sampler->Sample(result.logits.back());
    result.tokens.push_back(token);
    result.logits.push_back(Pass(chain, {&token, 1}, position++));
  }
  return result;
}

std::unique_ptr<Stage> LoadStage(const fs::path& path) {
  auto stage = Stage::Load(path, {.context = 256, .sequences = 1, .max_batch = 64, .threads = 1});
  EXPECT_TRUE(stage.ok()) << stage.status();
  return stage.ok() ? *std::move(stage) : nullptr;
}

// Units before which the chain is cut.
std::vector<int> RandomCuts(int shards, int units, std::mt19937& random) {
  std::vector<int> places;
  for (int u = 1; u < units; ++u) places.push_back(u);
  std::shuffle(places.begin(), places.end(), random);
  places.resize(static_cast<size_t>(shards) - 1);
  if (shards == 3) places = {1, units - 1};  // embedding and head alone
  places.push_back(0);
  places.push_back(units);
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<TypeMix> RandomTypes(int units, std::mt19937& random) {
  const std::vector<std::string> menu = {
      "q8_0", "q5_0", "q4_0", "iq4_nl",
      "q5_1", "q4_1", "f16",  "q4_0+ffn_down=q8_0+token_embd=q8_0+output=q5_1"};
  std::vector<TypeMix> types;
  for (int u = 0; u < units; ++u) types.push_back(*TypeMix::Parse(menu[random() % menu.size()]));
  return types;
}

class ChainTest : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(ChainTest, EqualsTheWholeModel) {
  NEEDS_MODEL();
  const auto [shards, seed] = GetParam();
  std::mt19937 random(static_cast<unsigned>(1000 * shards + seed));
  auto model = ReadModel(ModelPath());
  ASSERT_TRUE(model.ok()) << model.status();
  auto dir = TempDir::Create("dilemma-chain");
  ASSERT_TRUE(dir.ok());
  const int units = static_cast<int>(model->units.size());
  const std::vector<TypeMix> types = RandomTypes(units, random);
  const std::vector<int> cuts = RandomCuts(shards, units, random);

  ASSERT_TRUE(WriteWhole(*model, types, dir->path() / "whole.gguf").ok());
  auto tokenizer = Tokenizer::Load(dir->path() / "whole.gguf");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<int32_t> prompt = (*tokenizer)
                                          ->Encode(
                                              "The three largest rivers of Europe are the Volga, the Danube "
                                              "and the Ural. The largest lake is",
                                              false, true);
  Chain whole;
  whole.push_back(LoadStage(dir->path() / "whole.gguf"));
  Chain chain;
  for (int s = 0; s < shards; ++s) {
    const int first = cuts[static_cast<size_t>(s)], end = cuts[static_cast<size_t>(s) + 1];
    const fs::path path = dir->path() / fmt::format("{}.gguf", s);
    auto shard = WriteShard(*model, first, end - 1, std::span(types).subspan(first, end - first), path);
    ASSERT_TRUE(shard.ok()) << shard.status();
    chain.push_back(LoadStage(path));
    ASSERT_NE(chain.back(), nullptr) << "units " << first << " to " << end - 1;
  }
  for (const size_t chunk : {size_t{64}, size_t{7}}) {
    for (const auto& stage : whole) ASSERT_TRUE(stage->Truncate(0, 0).ok());
    for (const auto& stage : chain) ASSERT_TRUE(stage->Truncate(0, 0).ok());
    const Step expected = Generate(whole, prompt, chunk);
    const Step found = Generate(chain, prompt, chunk);
    EXPECT_EQ(expected.tokens, found.tokens);
    EXPECT_EQ((*tokenizer)->Decode(expected.tokens), (*tokenizer)->Decode(found.tokens));
    ASSERT_EQ(expected.logits.size(), found.logits.size());
    for (size_t i = 0; i < expected.logits.size(); ++i) {
      ASSERT_EQ(expected.logits[i].size(), static_cast<size_t>(model->n_vocab));
      ASSERT_TRUE(expected.logits[i] == found.logits[i])
          << "pass " << i << " in chunks of " << chunk << ", cuts " << testing::PrintToString(cuts);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cuts, ChainTest, testing::Combine(testing::Range(1, 7), testing::Range(0, 1)),
                         [](const auto& info) {
                           return fmt::format("{}shards{}", std::get<0>(info.param), std::get<1>(info.param));
                         });

}  // namespace
}  // namespace dilemma
