// A row of a batch comes out as it would alone, bit by bit, where a stage says so (Stage::rows_alike): an
// answer does not depend on who else asks, and one that another ring began can be read in chunks.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/status.h"
#include "engine/stage.h"
#include "gtest/gtest.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr int kRows = 71;
constexpr size_t kChunks[] = {2, 3, 5, 7, 8, 16, 64, kRows};

struct Case {
  std::string model;  // of 576 columns, or of a multiple of 256
  std::string type;
};

fs::path PathOf(const std::string& model) {
  return model == "opt" ? fs::path(DILEMMA_SOURCE_DIR) / "models/opt-standin.gguf"
                        : CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

// Matrices of plain floats are multiplied otherwise with one row than with many; so are k-quants from 8 rows
// on where there is AVX-512.
int64_t Expected(const std::string& type) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || type == "f16") return 1;
  return type.ends_with("_k") || type == "iq4_xs" ? 7 : kAnyRows;
#else
  return 1;
#endif
}

class RowsAlikeTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const fs::path path = PathOf(GetParam().model);
    if (!fs::exists(path)) GTEST_SKIP() << path << " is not there";
    const auto model = ReadModel(path);
    ASSERT_TRUE(model.ok()) << model.status();
    const std::vector<TypeMix> types(2, *TypeMix::Parse(GetParam().type));
    const fs::path shard = dir_.path() / "shard.gguf";
    ASSERT_TRUE(WriteShard(*model, 3, 4, types, shard).ok());
    auto stage = Stage::Load(shard, {.context = 256, .sequences = 2, .max_batch = 128, .threads = 1});
    ASSERT_TRUE(stage.ok()) << stage.status();
    stage_ = *std::move(stage);
    width_ = static_cast<size_t>(stage_->n_embd());
    for (size_t i = 0; i < kRows * width_; ++i)
      hidden_.push_back(static_cast<float>(std::sin(static_cast<double>(i * i % 1009))));
  }

  // What comes out of sequence 0 in chunks of so many rows; beside each row, where wanted, one of another
  // text.
  std::vector<float> Run(size_t chunk, bool beside = false) {
    for (const int sequence : {0, 1}) EXPECT_TRUE(stage_->Truncate(sequence, 0).ok());
    std::vector<float> all;
    for (size_t i = 0; i < kRows; i += chunk) {
      const size_t count = std::min(chunk, kRows - i);
      std::vector<RowPlace> rows;
      std::vector<float> hidden;
      for (const int sequence : beside ? std::vector{0, 1} : std::vector{0}) {
        for (size_t k = i; k < i + count; ++k) {
          rows.push_back({static_cast<int32_t>(k), sequence});
          const size_t source = sequence == 0 ? k : kRows - 1 - k;
          const auto from = hidden_.begin() + static_cast<std::ptrdiff_t>(source * width_);
          hidden.insert(hidden.end(), from, from + static_cast<std::ptrdiff_t>(width_));
        }
      }
      const auto output = stage_->Run({.rows = rows, .tokens = {}, .hidden = hidden, .want_logits = {}});
      EXPECT_TRUE(output.ok()) << output.status();
      if (!output.ok()) return {};
      all.insert(all.end(), output->begin(), output->begin() + static_cast<std::ptrdiff_t>(count * width_));
    }
    return all;
  }

  // Rows that are not the same, bit by bit.
  int Others(const std::vector<float>& one, const std::vector<float>& other) const {
    int others = 0;
    for (size_t row = 0; row < kRows; ++row)
      others += std::memcmp(&one[row * width_], &other[row * width_], width_ * sizeof(float)) != 0 ? 1 : 0;
    return others;
  }

  TempDir dir_ = *TempDir::Create("dilemma-rows");
  std::unique_ptr<Stage> stage_;
  size_t width_ = 0;
  std::vector<float> hidden_;
};

TEST_P(RowsAlikeTest, ARowComesOutAsItWouldAlone) {
  EXPECT_GE(stage_->rows_alike(), Expected(GetParam().type));
  const std::vector<float> alone = Run(1);
  ASSERT_EQ(alone.size(), kRows * width_);
  for (const size_t chunk : kChunks) {
    if (static_cast<int64_t>(chunk) > stage_->rows_alike()) break;
    EXPECT_EQ(Others(alone, Run(chunk)), 0) << "in chunks of " << chunk;
  }
  for (const size_t chunk : {size_t{1}, size_t{3}}) {
    if (static_cast<int64_t>(2 * chunk) > stage_->rows_alike()) break;
    EXPECT_EQ(Others(alone, Run(chunk, true)), 0) << "beside another text, in chunks of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RowsAlikeTest,
                         testing::Values(Case{"smollm", "q8_0"}, Case{"smollm", "q5_1"},
                                         Case{"smollm", "q5_0"}, Case{"smollm", "q4_1"},
                                         Case{"smollm", "q4_0"}, Case{"smollm", "iq4_nl"},
                                         Case{"smollm", "f16"}, Case{"opt", "q6_k"}, Case{"opt", "q5_k"},
                                         Case{"opt", "q4_k"}, Case{"opt", "q3_k"}, Case{"opt", "q2_k"},
                                         Case{"opt", "iq4_xs"}, Case{"opt", "q2_0"}),
                         [](const auto& info) { return info.param.model + "_" + info.param.type; });

}  // namespace
}  // namespace dilemma
