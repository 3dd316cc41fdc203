// Files that are damaged in every way: an error, never a crash or an abort.
#include <random>

#include "base/file.h"
#include "base/status.h"
#include "engine/stage.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_file.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

class HostileFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!fs::exists(path)) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << path.string();
    }
    const auto model = ReadModel(path);
    ASSERT_TRUE(model.ok()) << model.status();
    auto shape = MakeProbeShape(*model);
    ASSERT_TRUE(shape.ok()) << shape.status();
    shape->mix = "q4_0";
    ASSERT_TRUE(WriteProbeShard(*shape, good_).ok());
    bytes_ = *ReadFile(good_);
    header_ = static_cast<size_t>(GgufFile::Open(good_)->tensors().front().offset);
  }

  // Loads the bytes as a shard and, where that works, runs a row.
  absl::Status LoadAndRun(const std::string& bytes) {
    const fs::path path = dir_.path() / "bad.gguf";
    RETURN_IF_ERROR(WriteFileAtomically(path, bytes));
    auto stage = Stage::Load(path, {.context = 32, .sequences = 1, .max_batch = 4, .threads = 1});
    if (!stage.ok()) return stage.status();
    const RowPlace row = {0, 0};
    const std::vector<float> hidden(static_cast<size_t>((*stage)->n_embd()), 0.5F);
    return (*stage)->Run({.rows = {&row, 1}, .tokens = {}, .hidden = hidden, .want_logits = {}}).status();
  }

  TempDir dir_ = *TempDir::Create("dilemma-hostile");
  fs::path good_ = dir_.path() / "good.gguf";
  std::string bytes_;
  size_t header_ = 0;  // bytes before the first tensor's data
};

TEST_F(HostileFilesTest, TheGoodOneRuns) { EXPECT_TRUE(LoadAndRun(bytes_).ok()) << LoadAndRun(bytes_); }

TEST_F(HostileFilesTest, CutAnywhere) {
  std::mt19937 random(1);
  for (int i = 0; i < 60; ++i) {
    const size_t size = i < 30 ? random() % header_ : random() % bytes_.size();
    EXPECT_FALSE(LoadAndRun(bytes_.substr(0, size)).ok()) << size;
  }
}

TEST_F(HostileFilesTest, ChangedHeader) {
  std::mt19937 random(2);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = bytes_;
    for (int changes = 1 + i % 3; changes > 0; --changes) {
      char& byte = bytes[4 + random() % (header_ - 4)];
      byte = i % 2 == 0 ? static_cast<char>(random()) : static_cast<char>(byte ^ (1 << random() % 8));
    }
    LoadAndRun(bytes).IgnoreError();  // some changes are harmless (a name, a seed); none may crash
  }
}

// Every integer of every key replaced by extreme values.
TEST_F(HostileFilesTest, ExtremeNumbers) {
  const auto file = GgufFile::Open(good_);
  ASSERT_TRUE(file.ok());
  for (const std::string& key : file->Keys()) {
    const size_t value = bytes_.find(key) + key.size() + 4;  // after the type
    for (const uint32_t extreme : {0U, 1U, 3U, 7U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU, 0x7F800000U}) {
      std::string bytes = bytes_;
      bytes.replace(value, 4, reinterpret_cast<const char*>(&extreme), 4);
      LoadAndRun(bytes).IgnoreError();
    }
  }
}

TEST_F(HostileFilesTest, WeightsThatAreNotNumbers) {
  std::string bytes = bytes_;
  for (size_t i = header_; i < bytes.size(); ++i) bytes[i] = static_cast<char>(0xFF);
  LoadAndRun(bytes).IgnoreError();  // NaN scales: logits are useless, but nothing breaks
}

}  // namespace
}  // namespace dilemma
