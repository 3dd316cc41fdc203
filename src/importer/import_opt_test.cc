// Folders as users have them: the fixtures of tests/fixtures/opt, whole and damaged in every way that is
// likely.
#include "importer/import_opt.h"

#include <fstream>
#include <random>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_reader.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class ImportOptTest : public testing::Test {
 protected:
  void SetUp() override {
    auto dir = TempDir::Create("dilemma-import");
    ASSERT_TRUE(dir.ok()) << dir.status();
    dir_.emplace(*std::move(dir));
  }

  // A copy of a fixture that the test may damage.
  fs::path Copy(const std::string& variant) {
    const fs::path folder = dir_->path() / variant;
    fs::copy(fs::path(DILEMMA_SOURCE_DIR) / "tests/fixtures/opt" / variant, folder);
    return folder;
  }
  static void EditJson(const fs::path& path, const std::function<void(Json&)>& edit) {
    auto json = ReadJson(path);
    ASSERT_TRUE(json.ok()) << json.status();
    edit(*json);
    ASSERT_TRUE(WriteJson(path, *json).ok());
  }
  static void EditConfig(const fs::path& folder, const std::string& key, const Json& value) {
    EditJson(folder / "config.json", [&](Json& json) { json[key] = value; });
  }
  // The message of the failure; nothing may be left behind.
  std::string Failure(const fs::path& folder, ImportOptions options = {}) {
    const fs::path out = dir_->path() / "out" / "model.gguf";
    fs::create_directories(out.parent_path());
    const auto result = ImportOpt(folder, out, options);
    EXPECT_FALSE(result.ok());
    EXPECT_TRUE(fs::is_empty(out.parent_path()));
    return std::string(Message(result.status()));
  }

  std::optional<TempDir> dir_;
};

TEST_F(ImportOptTest, PostNormModelInParts) {
  const fs::path out = dir_->path() / "post.gguf";
  int calls = 0;
  const auto result = ImportOpt(Copy("post"), out, {.progress = [&](int, int) { return ++calls > 0; }});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->type, ImportType::kF16);  // as the source is
  EXPECT_TRUE(result->tied_head);
  EXPECT_FALSE(result->config.norm_before);
  EXPECT_EQ(result->weights, "model-00001-of-00002.safetensors and 1 more");
  const auto model = ReadModel(out);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->arch, "opt");
  EXPECT_EQ(model->name, "post");
  EXPECT_EQ(model->n_layer, 5);
  EXPECT_EQ(model->n_embd, 48);
  EXPECT_EQ(model->n_vocab, 384);
  EXPECT_EQ(model->n_ctx_train, 64);
  EXPECT_TRUE(model->tied_head);
  EXPECT_EQ(model->parameters(), result->parameters);
  EXPECT_EQ(calls, 5 * 16 + 4 + 1);
}

TEST_F(ImportOptTest, NamesModelsByTheirFolder) {
  const fs::path folder = Copy("post");
  EXPECT_EQ(ModelName(folder), "post");
  EXPECT_EQ(ModelName(folder / ""), "post");
  EXPECT_EQ(ModelName(folder / "."), "post");
  EXPECT_EQ(ModelName("/"), "opt");
}

TEST_F(ImportOptTest, PreNormModelFromPyTorch) {
  const fs::path out = dir_->path() / "pre.gguf";
  const auto result =
      ImportOpt(Copy("pre"), out, {.type = ImportType::kAuto, .name = "named", .progress = nullptr});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->type, ImportType::kF32);
  EXPECT_TRUE(result->config.norm_before && result->config.final_norm);
  const auto model = ReadModel(out);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name, "named");
  EXPECT_EQ(model->n_layer, 4);
}

TEST_F(ImportOptTest, EightBitsWhereRowsAdmitThem) {
  const fs::path out = dir_->path() / "pre.gguf";
  const auto result = ImportOpt(Copy("pre"), out, {.type = ImportType::kQ8_0});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->type, ImportType::kQ8_0);
  const auto model = ReadModel(out);
  ASSERT_TRUE(model.ok()) << model.status();
  int eight = 0;
  for (const Unit& unit : model->units) {
    for (const TensorInfo& tensor : unit.tensors) {
      if (tensor.rows() < 2) continue;
      EXPECT_EQ(Name(tensor.type), tensor.shape[0] % 32 == 0 ? "q8_0" : "f16") << tensor.name;
      eight += Name(tensor.type) == "q8_0" ? 1 : 0;
    }
  }
  EXPECT_GT(eight, 0);
}

TEST_F(ImportOptTest, PositionsLoseTheirOffset) {
  const fs::path out = dir_->path() / "pre.gguf";
  ASSERT_TRUE(ImportOpt(Copy("pre"), out).ok());
  const auto model = ReadModel(out);
  ASSERT_TRUE(model.ok());
  for (const TensorInfo& tensor : model->units.front().tensors) {
    if (tensor.name != "position_embd.weight") continue;
    EXPECT_EQ(tensor.shape[1], 64);
  }
}

TEST_F(ImportOptTest, AnEarlierFileStaysWhenTheImportFails) {
  const fs::path folder = Copy("pre"), out = dir_->path() / "pre.gguf";
  ASSERT_TRUE(ImportOpt(folder, out).ok());
  const auto before = Sha256OfFile(out);
  const auto cancelled = ImportOpt(folder, out, {.progress = [](int done, int) { return done < 20; }});
  EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(*Sha256OfFile(out), *before);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_->path()), {}), 2);  // folder and file, no part
}

TEST_F(ImportOptTest, OtherModelsAreSentToTheirConverter) {
  const fs::path folder = Copy("post");
  EditConfig(folder, "model_type", "llama");
  EXPECT_THAT(Failure(folder),
              AllOf(HasSubstr("config.json"), HasSubstr("llama"), HasSubstr("convert_hf_to_gguf.py")));
}

TEST_F(ImportOptTest, NotAFolderOrEmpty) {
  EXPECT_THAT(Failure(dir_->path() / "nothing"), HasSubstr("is not a folder"));
  fs::create_directories(dir_->path() / "empty");
  EXPECT_THAT(Failure(dir_->path() / "empty"), HasSubstr("config.json"));
}

TEST_F(ImportOptTest, ConfigurationsThatAreNotKnown) {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"activation_function", "gelu"},
      {"enable_bias", false},
      {"layer_norm_elementwise_affine", false},
      {"num_hidden_layers", 0},
      {"num_attention_heads", 7},
      {"hidden_size", "48"},
      {"ffn_dim", nullptr},
      {"do_layer_norm_before", "no"},
      {"bos_token_id", 384},
  };
  const fs::path folder = Copy("post");
  const auto original = ReadFile(folder / "config.json");
  for (const auto& [key, value] : cases) {
    ASSERT_TRUE(WriteFileAtomically(folder / "config.json", *original).ok());
    EditConfig(folder, key, value);
    EXPECT_THAT(Failure(folder), AllOf(HasSubstr("config.json"), HasSubstr(key)));
  }
  ASSERT_TRUE(WriteFileAtomically(folder / "config.json", "{\"model_type\": ").ok());
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("config.json"), HasSubstr("not valid JSON")));
}

TEST_F(ImportOptTest, ConfigurationsThatDoNotMatchTheTensors) {
  const std::vector<std::tuple<std::string, Json, std::string>> cases = {
      {"num_hidden_layers", 6, "decoder.layers.5"},
      {"num_hidden_layers", 4, "decoder.layers.4"},
      {"ffn_dim", 95, "ffn_dim"},
      {"max_position_embeddings", 63, "max_position_embeddings"},
      {"word_embed_proj_dim", 48, "word_embed_proj_dim"},
      {"vocab_size", 385, "vocab_size"},
      {"do_layer_norm_before", true, "final_layer_norm"},
  };
  const fs::path folder = Copy("post");
  const auto original = ReadFile(folder / "config.json");
  for (const auto& [key, value, expected] : cases) {
    ASSERT_TRUE(WriteFileAtomically(folder / "config.json", *original).ok());
    EditConfig(folder, key, value);
    EXPECT_THAT(Failure(folder), AllOf(HasSubstr("config.json"), HasSubstr(expected))) << key;
  }
}

TEST_F(ImportOptTest, IncompleteSafetensors) {
  const fs::path folder = Copy("post"), part = folder / "model-00002-of-00002.safetensors";
  const auto size = fs::file_size(part);
  for (const uintmax_t kept : {size - 1, size / 2, uintmax_t{100}, uintmax_t{7}, uintmax_t{0}}) {
    fs::resize_file(part, kept);
    EXPECT_THAT(Failure(folder),
                AllOf(HasSubstr("model-00002-of-00002.safetensors"), HasSubstr("download it again")));
  }
  fs::remove(part);
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("index.json"), HasSubstr("model-00002-of-00002.safetensors")));
  fs::remove(folder / "model.safetensors.index.json");
  EXPECT_THAT(Failure(folder), HasSubstr("has no weights"));
}

TEST_F(ImportOptTest, IncompletePyTorchFile) {
  const fs::path folder = Copy("pre"), file = folder / "pytorch_model.bin";
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("download it again")));
  std::ofstream(file) << "not an archive";
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("PyTorch")));
}

TEST_F(ImportOptTest, DamagedPyTorchDataFailTheirChecksum) {
  const fs::path folder = Copy("pre"), file = folder / "pytorch_model.bin";
  auto bytes = ReadFile(file);
  ASSERT_TRUE(bytes.ok());
  (*bytes)[bytes->size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(file, *bytes).ok());
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("download")));
}

TEST_F(ImportOptTest, RandomDamageIsAnErrorOrNothingNeverACrash) {
  std::mt19937 random(1);
  for (const auto& [variant, name] :
       {std::pair{"post", "model-00001-of-00002.safetensors"}, {"pre", "pytorch_model.bin"}}) {
    const fs::path folder = Copy(variant), out = dir_->path() / "out.gguf";
    const auto good = ReadFile(folder / name);
    ASSERT_TRUE(good.ok());
    for (int i = 0; i < 60; ++i) {
      std::string bad = *good;
      for (int j = 0; j < 4; ++j)
        bad[random() % (i % 2 == 0 ? 4000 : bad.size())] = static_cast<char>(random());
      if (i % 5 == 0) bad.resize(random() % bad.size());
      ASSERT_TRUE(WriteFileAtomically(folder / name, bad).ok());
      const auto result = ImportOpt(folder, out);
      EXPECT_EQ(fs::exists(out), result.ok());
      fs::remove(out);
    }
  }
}

TEST_F(ImportOptTest, TokenizerFilesThatAreMissingOrDoNotFit) {
  const fs::path folder = Copy("post");
  EditJson(folder / "tokenizer_config.json", [](Json& json) { json["add_prefix_space"] = true; });
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("add_prefix_space")));
  EditJson(folder / "tokenizer_config.json", [](Json& json) { json.erase("add_prefix_space"); });
  std::ofstream(folder / "merges.txt", std::ios::app) << "t h e\n";
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("merges.txt"), HasSubstr("t h e")));
  std::ofstream(folder / "merges.txt") << "#version: 0.2\nx y\n";
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("merges.txt"), HasSubstr("'xy'"), HasSubstr("vocab.json")));
  fs::remove(folder / "merges.txt");
  EXPECT_THAT(Failure(folder), HasSubstr("no merges.txt"));
  EditJson(folder / "vocab.json", [](Json& json) { json["a"] = 100000; });
  fs::copy(fs::path(DILEMMA_SOURCE_DIR) / "tests/fixtures/opt/post/merges.txt", folder / "merges.txt");
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("vocab.json"), HasSubstr("vocab_size")));
  fs::remove(folder / "vocab.json");
  EXPECT_THAT(Failure(folder), HasSubstr("has no tokenizer"));
}

TEST_F(ImportOptTest, TokenizerOfAnotherKind) {
  const fs::path folder = Copy("pre");
  EditJson(folder / "tokenizer.json", [](Json& json) { json["pre_tokenizer"]["type"] = "Metaspace"; });
  EXPECT_THAT(Failure(folder), AllOf(HasSubstr("tokenizer.json"), HasSubstr("pre_tokenizer")));
}

TEST_F(ImportOptTest, NowhereToWrite) {
  const auto result = ImportOpt(Copy("pre"), dir_->path() / "no" / "such" / "folder.gguf");
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("folder.gguf"));
}

}  // namespace
}  // namespace dilemma
