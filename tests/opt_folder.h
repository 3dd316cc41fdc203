// A Hugging Face OPT folder with OPT-350m's topology, small and with pseudo-random weights, whose rows admit
// quantization; its tokenizer is that of the fixtures. For tests that need a model and no sense in it.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace dilemma::testing {

struct OptDimensions {
  int layers = 24, width = 64, heads = 4, ffn = 128, embed = 32, positions = 1024;
};

class OptFolderWriter {
 public:
  explicit OptFolderWriter(const OptDimensions& dimensions) : d_(dimensions) {}

  absl::Status Write(const std::filesystem::path& folder) {
    const std::filesystem::path fixture = DILEMMA_SOURCE_DIR "/tests/fixtures/opt/post";
    ASSIGN_OR_RETURN(Json config, ReadJson(fixture / "config.json"));
    config["num_hidden_layers"] = d_.layers;
    config["hidden_size"] = d_.width;
    config["num_attention_heads"] = d_.heads;
    config["ffn_dim"] = d_.ffn;
    config["word_embed_proj_dim"] = d_.embed;
    config["max_position_embeddings"] = d_.positions;
    config["torch_dtype"] = "float32";
    AddTensors(config["vocab_size"].get<int>());
    std::filesystem::create_directories(folder);
    for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
      std::filesystem::copy_file(fixture / name, folder / name);
    RETURN_IF_ERROR(WriteJson(folder / "config.json", config));
    const std::string header = header_.dump();
    std::string file(8, '\0');
    for (int i = 0; i < 8; ++i) file[static_cast<size_t>(i)] = static_cast<char>(header.size() >> (8 * i));
    return WriteFileAtomically(folder / "model.safetensors", file + header + data_);
  }

 private:
  void AddTensors(int vocabulary) {
    Matrix("embed_tokens", vocabulary, d_.embed);
    Matrix("embed_positions", d_.positions + 2, d_.width);
    Matrix("project_in", d_.width, d_.embed);
    Matrix("project_out", d_.embed, d_.width);
    for (int i = 0; i < d_.layers; ++i) {
      const std::string at = "layers." + std::to_string(i) + ".";
      for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
        Linear(at + "self_attn." + name, d_.width, d_.width);
      Linear(at + "fc1", d_.ffn, d_.width);
      Linear(at + "fc2", d_.width, d_.ffn);
      for (const char* name : {"self_attn_layer_norm", "final_layer_norm"}) {
        Add(at + name + ".weight", {d_.width}, 1, 0);
        Add(at + name + ".bias", {d_.width}, 0, 0);
      }
    }
  }
  void Matrix(const std::string& name, int rows, int row) {
    Add(name + ".weight", {rows, row}, 0, 1 / std::sqrt(static_cast<float>(row)));
  }
  void Linear(const std::string& name, int rows, int row) {
    Matrix(name, rows, row);
    Add(name + ".bias", {rows}, 0, 0);
  }
  void Add(const std::string& name, const std::vector<int>& shape, float mean, float spread) {
    size_t count = 1;
    for (const int n : shape) count *= static_cast<size_t>(n);
    const size_t from = data_.size();
    data_.resize(from + count * sizeof(float));
    for (size_t i = 0; i < count; ++i) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      const float value = mean + spread * (static_cast<float>(state_ >> 40) / 8388608.0F - 1);
      std::memcpy(data_.data() + from + i * sizeof(float), &value, sizeof value);
    }
    header_["model.decoder." + name] = {
        {"dtype", "F32"}, {"shape", shape}, {"data_offsets", {from, data_.size()}}};
  }

  OptDimensions d_;
  Json header_ = Json::object();
  std::string data_;
  uint64_t state_ = 1;
};

}  // namespace dilemma::testing
