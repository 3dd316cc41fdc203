#include "engine/stage.h"

#include <sstream>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "engine/sampler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

fs::path ModelPath() { return CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"; }

class StageTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(ModelPath())) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << ModelPath().string();
    }
    auto stage = Stage::Load(ModelPath(), {.context = 100, .sequences = 3, .max_batch = 16, .threads = 1});
    ASSERT_TRUE(stage.ok()) << stage.status();
    stage_ = *std::move(stage);
  }

  absl::StatusOr<std::vector<float>> Run(std::vector<RowPlace> rows, std::vector<int32_t> tokens,
                                         std::vector<int8_t> want = {}) {
    auto output = stage_->Run({.rows = rows, .tokens = tokens, .hidden = {}, .want_logits = want});
    if (!output.ok()) return output.status();
    return std::vector<float>(output->begin(), output->end());
  }
  bool Refused(std::vector<RowPlace> rows, std::vector<int32_t> tokens, std::vector<int8_t> want = {}) {
    const auto output = Run(std::move(rows), std::move(tokens), std::move(want));
    return output.status().code() == absl::StatusCode::kInvalidArgument;
  }
  std::unique_ptr<Stage> stage_;
};

TEST_F(StageTest, KnowsItself) {
  EXPECT_TRUE(stage_->has_embedding());
  EXPECT_TRUE(stage_->has_head());
  EXPECT_EQ(stage_->n_embd(), 576);
  EXPECT_EQ(stage_->n_vocab(), 49152);
  EXPECT_EQ(stage_->kv_bytes(), 30LL * 2 * 2 * 192 * 256 * 3);  // 100 tokens take 256 cells
  EXPECT_GT(stage_->weight_bytes(), 90000000);
}

// With small ones, much of a token's time is looking up where its weights lie, the more the longer a stage
// waited for its turn (third_party/patches/llama.cpp-*-huge-pages.patch).
TEST_F(StageTest, WeightsLieInHugePagesWhereTheMachineHasThem) {
  const auto offered = ReadFile("/sys/kernel/mm/transparent_hugepage/enabled");
  if (!offered.ok() || offered->find("[never]") != std::string::npos) {
    GTEST_SKIP() << "this machine has no transparent huge pages";
  }
  std::istringstream map(*ReadFile("/proc/self/smaps_rollup"));
  int64_t huge_kib = 0;
  for (std::string line; std::getline(map, line);) {
    if (line.rfind("AnonHugePages:", 0) == 0) huge_kib = std::stoll(line.substr(line.find(':') + 1));
  }
  EXPECT_GT(huge_kib * 1024, stage_->weight_bytes() / 2);
}

TEST_F(StageTest, BadBatchesAreRefusedAndHarmless) {
  EXPECT_TRUE(Refused({}, {}));
  EXPECT_TRUE(Refused({{0, 0}}, {}));
  EXPECT_TRUE(Refused({{0, 0}}, {1, 2}));
  EXPECT_TRUE(Refused({{0, 0}}, {-1}));
  EXPECT_TRUE(Refused({{0, 0}}, {49152}));
  EXPECT_TRUE(Refused({{1, 0}}, {5}));  // a gap
  EXPECT_TRUE(Refused({{-1, 0}}, {5}));
  EXPECT_TRUE(Refused({{0, 3}}, {5}));  // no such sequence
  EXPECT_TRUE(Refused({{0, -1}}, {5}));
  EXPECT_TRUE(Refused({{0, 0}, {0, 0}}, {5, 5}));
  EXPECT_TRUE(Refused({{0, 0}, {2, 0}}, {5, 5}));
  EXPECT_TRUE(Refused({{0, 0}}, {5}, {1, 1}));
  EXPECT_TRUE(Refused({{0, 0}, {1, 0}, {2, 0}, {3, 0}}, {1, 2, 3, 4}, {1, 1, 1, 1}));  // more than sequences
  std::vector<RowPlace> many;
  for (int i = 0; i < 17; ++i) many.push_back({i, 0});
  EXPECT_TRUE(Refused(many, std::vector<int32_t>(17, 5)));
  const std::vector<float> hidden(576);
  const RowPlace row = {0, 0};
  EXPECT_FALSE(stage_->Run({.rows = {&row, 1}, .tokens = {}, .hidden = hidden, .want_logits = {}}).ok());
  EXPECT_FALSE(stage_->Truncate(3, 0).ok());
  EXPECT_FALSE(stage_->Truncate(0, -1).ok());
  EXPECT_TRUE(Run({{0, 0}}, {5}).ok());
}

TEST_F(StageTest, TheContextEnds) {
  for (int i = 0; i < 100; i += 10) {
    std::vector<RowPlace> rows;
    for (int k = 0; k < 10; ++k) rows.push_back({i + k, 1});
    ASSERT_TRUE(Run(rows, std::vector<int32_t>(10, 40)).ok());
  }
  EXPECT_TRUE(Refused({{100, 1}}, {40}));
  EXPECT_TRUE(stage_->Truncate(1, 99).ok());
  EXPECT_TRUE(Run({{99, 1}}, {40}).ok());
}

TEST_F(StageTest, TruncateForgets) {
  const auto first = Run({{0, 0}, {1, 0}, {2, 0}}, {100, 200, 300});
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(Run({{3, 0}, {4, 0}}, {7, 8}).ok());
  ASSERT_TRUE(stage_->Truncate(0, 2).ok());
  const auto again = Run({{2, 0}}, {300});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*first, *again);
}

TEST_F(StageTest, SequencesDoNotSeeEachOther) {
  const std::vector<int32_t> a = {504, 3575, 282, 4649, 314}, b = {28, 198, 1, 9690, 198};
  std::vector<float> alone;
  for (int i = 0; i < 5; ++i) {
    const auto logits = Run({{i, 0}}, {a[i]});
    ASSERT_TRUE(logits.ok());
    alone = *logits;
  }
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Run({{i, 1}, {i, 2}}, {b[i], a[i]}, {0, 0}).ok());
  const auto both = Run({{4, 1}, {4, 2}}, {b[4], a[4]}, {1, 1});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(alone, std::vector<float>(both->begin() + 49152, both->end()));
}

TEST_F(StageTest, ChunksAndThreadsDoNotChangeTheResult) {
  const std::vector<int32_t> tokens = {504, 3575, 282, 4649, 314, 7042, 30, 378, 3575, 282};
  std::vector<RowPlace> rows;
  for (int i = 0; i < 10; ++i) rows.push_back({i, 0});
  const auto together = Run(rows, tokens);
  ASSERT_TRUE(together.ok());
  auto other = Stage::Load(ModelPath(), {.context = 700, .sequences = 1, .max_batch = 4, .threads = 2});
  ASSERT_TRUE(other.ok());
  std::vector<float> apart;
  for (size_t i = 0; i < 10; i += 3) {
    const size_t count = std::min<size_t>(3, 10 - i);
    auto logits = (*other)->Run({.rows = std::span(rows).subspan(i, count),
                                 .tokens = std::span(tokens).subspan(i, count),
                                 .hidden = {},
                                 .want_logits = {}});
    ASSERT_TRUE(logits.ok());
    apart.assign(logits->begin(), logits->end());
  }
  EXPECT_EQ(*together, apart);
}

TEST(StageLoadTest, BadFilesAndOptions) {
  EXPECT_EQ(Stage::Load("/nonexistent.gguf", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(Stage::Load("/dev/null", {}).ok());
  if (!fs::exists(ModelPath())) GTEST_SKIP() << "the model is not there";
  EXPECT_FALSE(Stage::Load(ModelPath(), {.context = 0}).ok());
  EXPECT_FALSE(Stage::Load(ModelPath(), {.context = 1LL << 40}).ok());
  EXPECT_FALSE(Stage::Load(ModelPath(), {.sequences = 0}).ok());
  EXPECT_FALSE(Stage::Load(ModelPath(), {.max_batch = 0}).ok());
  EXPECT_FALSE(Stage::Load(ModelPath(), {.threads = 0}).ok());
}

TEST(SamplerTest, GreedyAndSeeded) {
  const std::vector<float> logits = {0.5F, 2.0F, 1.5F, -1.0F};
  EXPECT_EQ(Sampler::Create({})->Sample(logits), 1);
  EXPECT_EQ(Sampler::Create({.temperature = 1, .top_k = 1, .seed = 3})->Sample(logits), 1);
  const auto draw = [&](uint32_t seed) {
    auto sampler = Sampler::Create({.temperature = 1, .seed = seed});
    std::vector<int32_t> drawn;
    for (int i = 0; i < 200; ++i) drawn.push_back(sampler->Sample(logits));
    return drawn;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_THAT(draw(1), testing::Contains(2));
  auto nucleus = Sampler::Create({.temperature = 1, .top_p = 0.5, .seed = 1});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(nucleus->Sample(logits), 1);
}

}  // namespace
}  // namespace dilemma
