#include "model/gguf_reader.h"

#include <random>

#include "base/file.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path ModelPath() { return CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"; }

// The first bytes of the real model: its whole header, no weights.
std::string Header() {
  std::string bytes = *ReadFile(ModelPath());
  bytes.resize(2000000);
  return bytes;
}

class GgufReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(ModelPath())) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << ModelPath().string();
    }
  }
  absl::Status ReadBytes(std::string_view bytes) {
    const fs::path path = dir_.path() / "file.gguf";
    EXPECT_TRUE(WriteFileAtomically(path, bytes).ok());
    return ReadModel(path).status();
  }
  TempDir dir_ = *TempDir::Create("dilemma-reader");
};

TEST_F(GgufReaderTest, ReadsTheRealModel) {
  const auto model = ReadModel(ModelPath());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->arch, "llama");
  EXPECT_EQ(model->n_layer, 30);
  EXPECT_EQ(model->n_embd, 576);
  EXPECT_EQ(model->n_ff, 1536);
  EXPECT_EQ(model->n_head, 9);
  EXPECT_EQ(model->n_head_kv, 3);
  EXPECT_EQ(model->n_vocab, 49152);
  EXPECT_EQ(model->head_dim_k, 64);
  EXPECT_TRUE(model->tied_head);
  EXPECT_EQ(model->parameters(), 134515008);
  ASSERT_EQ(model->units.size(), 32U);
  EXPECT_EQ(model->units[1].kv_bytes_per_token, 2 * 2 * 3 * 64);
  EXPECT_EQ(model->units[4].Label(), "layer 3");
  const Unit& head = model->units.back();
  EXPECT_EQ(head.tensors.back().name, "output.weight");
  EXPECT_EQ(head.tensors.back().offset, model->units.front().tensors.front().offset);
  double flops = 0;  // 2 per weight that is multiplied, and attention
  for (const Unit& unit : model->units) flops += UnitFlopsPerToken(*model, unit, 0);
  EXPECT_NEAR(flops, 2.0 * 134.5e6, 0.01 * 2 * 134.5e6);
  int64_t end = 0;
  for (const Unit& unit : model->units) {
    for (const TensorInfo& tensor : unit.tensors) end = std::max(end, tensor.offset + tensor.bytes);
  }
  EXPECT_EQ(end, model->file_bytes);
}

TEST_F(GgufReaderTest, ReadsATensorsBytes) {
  const auto model = ReadModel(ModelPath());
  ASSERT_TRUE(model.ok());
  const TensorInfo& tensor = model->units[1].tensors.front();
  const auto bytes = ReadTensorBytes(ModelPath(), tensor);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const std::string whole = *ReadFile(ModelPath());
  EXPECT_EQ(*bytes, whole.substr(static_cast<size_t>(tensor.offset), static_cast<size_t>(tensor.bytes)));
}

TEST_F(GgufReaderTest, BadFilesGetErrorsThatNameThem) {
  EXPECT_THAT(std::string(Message(ReadModel(dir_.path() / "none.gguf").status())), HasSubstr("none.gguf"));
  EXPECT_THAT(std::string(Message(ReadModel(dir_.path()).status())), HasSubstr("folder"));
  EXPECT_THAT(std::string(Message(ReadBytes(""))), HasSubstr("empty"));
  EXPECT_THAT(std::string(Message(ReadBytes("GG"))), HasSubstr("not a GGUF"));
  EXPECT_THAT(std::string(Message(ReadBytes("{\"a\": 1}, and so on"))), HasSubstr("not a GGUF"));
  EXPECT_THAT(std::string(Message(ReadBytes(Header().substr(0, 1000)))), HasSubstr("cut off"));
  EXPECT_THAT(std::string(Message(ReadBytes(Header()))), HasSubstr("cut off"));
}

// A header, little-endian, of version 3: 32-bit numbers under these keys, tensors of one float.
std::string HeaderOf(std::initializer_list<std::pair<std::string_view, uint32_t>> keys,
                     std::initializer_list<std::string_view> tensors) {
  std::string bytes = "GGUF";
  const auto add = [&bytes](const auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  const auto add_name = [&](std::string_view name) {
    add(uint64_t{name.size()});
    bytes += name;
  };
  add(uint32_t{3});
  add(uint64_t{tensors.size()});
  add(uint64_t{keys.size()});
  for (const auto& [key, value] : keys) {
    add_name(key);
    add(uint32_t{4});  // GGUF_TYPE_UINT32
    add(value);
  }
  uint64_t offset = 0;
  for (const std::string_view name : tensors) {
    add_name(name);
    add(uint32_t{1});  // dimension
    add(uint64_t{1});  // element
    add(uint32_t{0});  // GGML_TYPE_F32
    add(offset);
    offset += 32;
  }
  bytes.resize((bytes.size() + 31) / 32 * 32 + offset, 0);
  return bytes;
}

// ggml reads them, and ends the process where it copies or writes them.
TEST_F(GgufReaderTest, NamesThatAreEmptyOrThereTwiceAreRefused) {
  using std::string_view_literals::operator""sv;
  const auto message = [this](const std::string& bytes) { return std::string(Message(ReadBytes(bytes))); };
  EXPECT_THAT(message(HeaderOf({{"\0"sv, 7}}, {})), HasSubstr("key without a name"));
  EXPECT_THAT(message(HeaderOf({{"a.b", 7}, {"a.b\0c"sv, 8}}, {})), HasSubstr("the key a.b is there twice"));
  EXPECT_THAT(message(HeaderOf({}, {"\0"sv})), HasSubstr("tensor without a name"));
  EXPECT_THAT(message(HeaderOf({}, {"x\0y"sv, "x\0z"sv})), HasSubstr("the tensor x is there twice"));
  EXPECT_THAT(message(HeaderOf({{"a.b", 7}}, {"x", "y"})), HasSubstr("architecture"));  // is read
}

TEST_F(GgufReaderTest, AnAlignmentThatWouldTakeAllMemoryIsRefused) {
  EXPECT_THAT(std::string(Message(ReadBytes(HeaderOf({{"general.alignment", 1U << 30}}, {})))),
              HasSubstr("an alignment of"));
}

TEST_F(GgufReaderTest, TheLastByteCounts) {
  std::string bytes = *ReadFile(ModelPath());
  EXPECT_TRUE(ReadBytes(bytes).ok());
  bytes.pop_back();
  EXPECT_THAT(std::string(Message(ReadBytes(bytes))), HasSubstr("cut off"));
}

TEST_F(GgufReaderTest, AnUnsupportedArchitectureIsNamed) {
  std::string bytes = *ReadFile(ModelPath());
  bytes.replace(bytes.find("llama"), 5, "mamba");
  const std::string message(Message(ReadBytes(bytes)));
  EXPECT_THAT(message, HasSubstr("'mamba'"));
  EXPECT_THAT(message, HasSubstr("llama, qwen2, qwen3, opt"));
}

TEST_F(GgufReaderTest, ARenamedTensorIsMissed) {
  std::string bytes = *ReadFile(ModelPath());
  bytes.replace(bytes.find("blk.7.ffn_up"), 12, "blk.7.ffn_xx");
  EXPECT_THAT(std::string(Message(ReadBytes(bytes))), HasSubstr("ffn_up"));
  bytes.replace(bytes.find("blk.9.ffn_down"), 14, "blk.9999999999");
  EXPECT_FALSE(ReadBytes(bytes).ok());
}

TEST_F(GgufReaderTest, MutatedHeadersNeverCrash) {
  const std::string header = Header();
  std::mt19937 random(7);
  const size_t keys = 1200, tensors = header.find("blk.0.") - 200;  // where damage can do most
  for (int i = 0; i < 400; ++i) {
    std::string bytes = header;
    const size_t start = i % 2 == 0 ? 4 : tensors;
    for (int changes = 1 + i % 3; changes > 0; --changes) {
      bytes[start + random() % keys] = static_cast<char>(random());
    }
    EXPECT_FALSE(ReadBytes(bytes).ok());  // at least, it is cut off
  }
}

}  // namespace
}  // namespace dilemma
