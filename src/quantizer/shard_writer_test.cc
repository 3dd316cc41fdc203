#include "quantizer/shard_writer.h"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <set>

#include "base/file.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_file.h"
#include "model/gguf_reader.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ShardWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!fs::exists(path)) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << path.string();
    }
    auto model = ReadModel(path);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }
  std::vector<TypeMix> Types(std::initializer_list<const char*> texts) {
    std::vector<TypeMix> types;
    for (const char* text : texts) types.push_back(*TypeMix::Parse(text));
    return types;
  }
  fs::path Path(const std::string& name) { return dir_.path() / name; }
  int Files() {
    return static_cast<int>(std::distance(fs::directory_iterator(dir_.path()), fs::directory_iterator()));
  }
  ModelInfo model_;
  TempDir dir_ = *TempDir::Create("dilemma-shards");
};

TEST_F(ShardWriterTest, HoldsItsUnitsInTheTypesAskedFor) {
  const auto types = Types({"q5_0", "q4_0+ffn_down=q8_0", "iq4_nl"});
  const auto shard = WriteShard(model_, 4, 6, types, Path("a.gguf"));
  ASSERT_TRUE(shard.ok()) << shard.status();
  EXPECT_EQ(shard->sha256, *Sha256OfFile(Path("a.gguf")));
  EXPECT_EQ(shard->bytes, static_cast<int64_t>(fs::file_size(Path("a.gguf"))));
  const auto file = GgufFile::Open(Path("a.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->Integer("llama.block_count"), 3);
  EXPECT_EQ(file->Integer("llama.vocab_size"), 49152);
  EXPECT_EQ(file->String("tokenizer.ggml.model"), "no_vocab");
  for (const std::string& key : file->Keys()) {
    EXPECT_TRUE(!key.starts_with("tokenizer.") || key == "tokenizer.ggml.model") << key;
  }
  EXPECT_EQ(file->tensors().size(), 3 * model_.units[4].tensors.size());
  EXPECT_EQ(Name(file->FindTensor("blk.0.attn_q.weight")->type), "q5_0");
  EXPECT_EQ(Name(file->FindTensor("blk.1.attn_q.weight")->type), "q4_0");
  EXPECT_EQ(Name(file->FindTensor("blk.1.ffn_down.weight")->type), "q8_0");
  EXPECT_EQ(Name(file->FindTensor("blk.2.ffn_up.weight")->type), "iq4_nl");
  EXPECT_EQ(Name(file->FindTensor("blk.2.ffn_norm.weight")->type), "f32");
  int64_t bytes = 0;
  for (const TensorInfo& tensor : file->tensors()) bytes += tensor.bytes;
  int64_t planned = 0;
  for (size_t u = 0; u < 3; ++u) planned += *UnitBytes(model_.units[4 + u], types[u]);
  EXPECT_EQ(bytes, planned);
}

TEST_F(ShardWriterTest, WeightsAreThoseOfGgml) {
  ASSERT_TRUE(WriteShard(model_, 8, 8, Types({"q5_0"}), Path("a.gguf")).ok());
  const auto file = GgufFile::Open(Path("a.gguf"));
  ASSERT_TRUE(file.ok());
  for (const TensorInfo& source : model_.units[8].tensors) {
    const std::string name = "blk.0" + source.name.substr(source.name.find('.', 4));
    const std::string found = *ReadTensorBytes(Path("a.gguf"), *file->FindTensor(name));
    const std::string bytes = *ReadTensorBytes(model_.path, source);
    if (!source.quantizable) {
      EXPECT_EQ(found, bytes) << name;
      continue;
    }
    const auto weights = Dequantize(bytes, source.type, source.shape[0]);
    EXPECT_EQ(found, *Quantize(weights, *ParseTensorType("q5_0"), source.shape[0])) << name;
    const auto back = Dequantize(found, *ParseTensorType("q5_0"), source.shape[0]);
    double error = 0, norm = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      error += std::pow(weights[i] - back[i], 2);
      norm += std::pow(weights[i], 2);
    }
    EXPECT_LT(error, 0.01 * norm) << name;
    EXPECT_GT(error, 0) << name;
  }
}

TEST_F(ShardWriterTest, ATypeTheSourceHasIsCopied) {
  ASSERT_TRUE(WriteShard(model_, 8, 8, Types({"q4_1"}), Path("a.gguf")).ok());
  const auto file = GgufFile::Open(Path("a.gguf"));
  for (const TensorInfo& source : model_.units[8].tensors) {
    const std::string name = "blk.0" + source.name.substr(source.name.find('.', 4));
    EXPECT_EQ(*ReadTensorBytes(Path("a.gguf"), *file->FindTensor(name)),
              *ReadTensorBytes(model_.path, source));
  }
}

TEST_F(ShardWriterTest, SameInputSameBytes) {
  const auto a = WriteShard(model_, 0, 1, Types({"q4_0", "iq4_nl"}), Path("a.gguf"));
  const auto b = WriteShard(model_, 0, 1, Types({"q4_0", "iq4_nl"}), Path("b.gguf"));
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->sha256, b->sha256);
}

TEST_F(ShardWriterTest, TheWholeKeepsTokenizerAndASeparateHead) {
  const std::vector<TypeMix> types(model_.units.size(), *TypeMix::Parse("q4_0"));
  ASSERT_TRUE(WriteWhole(model_, types, Path("whole.gguf")).ok());
  const auto whole = ReadModel(Path("whole.gguf"));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_FALSE(whole->tied_head);
  EXPECT_EQ(whole->n_vocab, model_.n_vocab);
  EXPECT_EQ(GgufFile::Open(Path("whole.gguf"))->String("tokenizer.ggml.model"), "gpt2");
}

TEST_F(ShardWriterTest, BadRequestsAreRefused) {
  EXPECT_FALSE(WriteShard(model_, -1, 0, Types({"q4_0", "q4_0"}), Path("a.gguf")).ok());
  EXPECT_FALSE(WriteShard(model_, 3, 2, {}, Path("a.gguf")).ok());
  EXPECT_FALSE(WriteShard(model_, 0, 32, {}, Path("a.gguf")).ok());
  EXPECT_FALSE(WriteShard(model_, 0, 1, Types({"q4_0"}), Path("a.gguf")).ok());
  const auto refused = WriteShard(model_, 1, 1, Types({"q4_k"}), Path("a.gguf"));
  EXPECT_THAT(std::string(Message(refused.status())), HasSubstr("576"));
  EXPECT_FALSE(WriteShard(model_, 1, 1, Types({"q4_0"}), dir_.path() / "no" / "such" / "a.gguf").ok());
  EXPECT_EQ(Files(), 0);
}

TEST_F(ShardWriterTest, CancellingLeavesNothing) {
  const auto cancelled = WriteShard(model_, 1, 3, Types({"q4_0", "q4_0", "q4_0"}), Path("a.gguf"),
                                    [](int done, int) { return done < 5; });
  EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Files(), 0);
}

TEST_F(ShardWriterTest, AFullDiskIsAnErrorAndLeavesNothing) {
  // A limit on file sizes makes writes fail as a full disk does.
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {1 << 20, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto shard = WriteShard(model_, 1, 1, Types({"q8_0"}), Path("a.gguf"));
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(shard.status().code(), absl::StatusCode::kResourceExhausted) << shard.status();
  EXPECT_THAT(std::string(Message(shard.status())), HasSubstr("a.gguf"));
  EXPECT_EQ(Files(), 0);
}

TEST_F(ShardWriterTest, AProbeHasTheModelsShapesAndNoneOfItsWeights) {
  auto shape = MakeProbeShape(model_);
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_LT(shape->metadata.size(), 20000U);
  shape->layers = 2;
  shape->head = true;
  shape->mix = "q4_0+ffn_down=q8_0";
  ASSERT_TRUE(WriteProbeShard(*shape, Path("probe.gguf")).ok());
  const auto file = GgufFile::Open(Path("probe.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->Integer("llama.block_count"), 2);
  EXPECT_EQ(file->FindTensor("token_embd.weight"), nullptr);
  EXPECT_EQ(file->FindTensor("output.weight")->shape[1], 49152);
  EXPECT_EQ(Name(file->FindTensor("blk.1.ffn_down.weight")->type), "q8_0");
  EXPECT_EQ(file->FindTensor("blk.1.ffn_down.weight")->shape[0], 1536);
  shape->metadata.resize(shape->metadata.size() / 2);
  EXPECT_FALSE(WriteProbeShard(*shape, Path("probe.gguf")).ok());
  shape->metadata = "nonsense";
  EXPECT_FALSE(WriteProbeShard(*shape, Path("probe.gguf")).ok());
}

TEST(QuantizeTest, TypesThatGgmlCannotMakeAreRefused) {
  const std::vector<float> weights(256, 0.5F);
  for (const int ggml : {9, 15, 24, 28}) {  // q8_1, q8_K, i8, f64
    EXPECT_TRUE(absl::IsInvalidArgument(Quantize(weights, {ggml}, 256).status())) << ggml;
  }
  EXPECT_TRUE(Quantize(weights, *ParseTensorType("bf16"), 256).ok());
}

// A coordinator sends the shape: what ggml would end the process over is an error.
TEST_F(ShardWriterTest, AProbesShapeIsCheckedAsAFileIs) {
  auto shape = MakeProbeShape(model_);
  ASSERT_TRUE(shape.ok()) << shape.status();
  const std::string good = shape->metadata;
  const auto message = [&] {
    return std::string(Message(WriteProbeShard(*shape, Path("probe.gguf")).status()));
  };
  shape->metadata.replace(good.find("llama.context_length"), 1, 1, '\0');
  EXPECT_THAT(message(), HasSubstr("key without a name"));
  shape->metadata = good;
  shape->metadata.replace(good.find("blk.0.attn_k.weight"), 19, "blk.1.attn_q.weight");
  shape->layers = 2;  // of which the second has an attn_q already
  shape->embedding = true;
  EXPECT_THAT(message(), HasSubstr("blk.1.attn_q.weight is there twice"));
}

// ggml turns a block's scale into a float by a table of 65,536 entries: with few different scales its few
// entries stay in the first cache, and the probe is quicker than the model (it was, by a fifth).
TEST_F(ShardWriterTest, AProbesScalesAreAsManyAsTheModels) {
  auto shape = MakeProbeShape(model_);
  ASSERT_TRUE(shape.ok()) << shape.status();
  shape->mix = "q4_0";
  ASSERT_TRUE(WriteProbeShard(*shape, Path("probe.gguf")).ok());
  ASSERT_TRUE(WriteShard(model_, 1, 1, Types({"q4_0"}), Path("real.gguf")).ok());
  const auto lines = [this](const std::string& name) {  // of the table, at 16 floats a line of the cache
    const auto file = GgufFile::Open(Path(name));
    const auto bytes = ReadTensorBytes(Path(name), *file->FindTensor("blk.0.attn_q.weight"));
    std::set<int> used;
    constexpr size_t kQ4Block = 18;
    for (size_t i = 0; i + kQ4Block <= bytes->size(); i += kQ4Block) {
      uint16_t scale = 0;
      std::memcpy(&scale, bytes->data() + i, sizeof(scale));
      used.insert(scale / 16);
    }
    return used.size();
  };
  EXPECT_GE(lines("probe.gguf"), lines("real.gguf") / 2);
}

}  // namespace
}  // namespace dilemma
