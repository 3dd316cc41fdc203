#include "importer/opt_config.h"

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

// An integer field in [min, max]; `absent` where it is not there.
absl::StatusOr<int64_t> ReadInteger(const JsonField& config, std::string_view key, int64_t min, int64_t max,
                                    std::optional<int64_t> absent = std::nullopt) {
  if (config.Missing(key) && absent) return *absent;
  ASSIGN_OR_RETURN(const int64_t value, config.Integer(key));
  if (value < min || value > max) {
    return config.Error(fmt::format("{} is {}, which is not in [{}, {}]", key, value, min, max));
  }
  return value;
}

absl::StatusOr<bool> ReadBool(const JsonField& config, std::string_view key, bool absent) {
  return config.Missing(key) ? absl::StatusOr<bool>(absent) : config.Bool(key);
}

absl::Status CheckModelType(const JsonField& config) {
  ASSIGN_OR_RETURN(const std::string type, config.String("model_type"));
  if (type == "opt") return absl::OkStatus();
  return config.Error(fmt::format(
      "model_type is '{}'; this command imports OPT. Llama-family models are converted by llama.cpp's "
      "own converter: python convert_hf_to_gguf.py DIR --outfile MODEL.gguf",
      type));
}

// Switches that every published OPT model has alike and that the engine takes for granted.
absl::Status CheckSwitches(const JsonField& config) {
  for (const char* key : {"enable_bias", "layer_norm_elementwise_affine"}) {
    ASSIGN_OR_RETURN(const bool on, ReadBool(config, key, true));
    if (!on)
      return config.Error(fmt::format("{} is false; only OPT models where it is true can be imported", key));
  }
  if (!config.Missing("activation_function")) {
    ASSIGN_OR_RETURN(const std::string activation, config.String("activation_function"));
    if (activation != "relu") {
      return config.Error(fmt::format("activation_function is '{}'; only relu can be imported", activation));
    }
  }
  if (!config.Missing("quantization_config")) {
    return config.Error("quantization_config is set; import the model's original weights instead");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OptConfig> ReadOptConfig(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return InvalidArgument("'{}' is not a folder; name the folder of a Hugging Face model (with config.json)",
                           folder.string());
  }
  if (!fs::exists(path, error)) {
    return NotFound("'{}' has no config.json; name the folder of a Hugging Face model", folder.string());
  }
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  const JsonField config(json, path.string());
  RETURN_IF_ERROR(CheckModelType(config));
  RETURN_IF_ERROR(CheckSwitches(config));
  OptConfig opt;
  constexpr int64_t kMax = int64_t{1} << 20;
  ASSIGN_OR_RETURN(opt.layers, ReadInteger(config, "num_hidden_layers", 1, 512));
  ASSIGN_OR_RETURN(opt.width, ReadInteger(config, "hidden_size", 1, kMax));
  ASSIGN_OR_RETURN(opt.heads, ReadInteger(config, "num_attention_heads", 1, opt.width));
  ASSIGN_OR_RETURN(opt.feed_forward, ReadInteger(config, "ffn_dim", 1, kMax));
  ASSIGN_OR_RETURN(opt.positions, ReadInteger(config, "max_position_embeddings", 1, kMax));
  ASSIGN_OR_RETURN(opt.vocabulary, ReadInteger(config, "vocab_size", 1, kMax));
  ASSIGN_OR_RETURN(opt.embedding_width, ReadInteger(config, "word_embed_proj_dim", 1, kMax, opt.width));
  if (opt.width % opt.heads != 0) {
    return config.Error(
        fmt::format("hidden_size {} is not a multiple of num_attention_heads {}", opt.width, opt.heads));
  }
  ASSIGN_OR_RETURN(opt.norm_before, ReadBool(config, "do_layer_norm_before", true));
  ASSIGN_OR_RETURN(const bool no_final_norm, ReadBool(config, "_remove_final_layer_norm", false));
  opt.final_norm = opt.norm_before && !no_final_norm;
  const int64_t last = opt.vocabulary - 1;
  ASSIGN_OR_RETURN(opt.bos, ReadInteger(config, "bos_token_id", 0, last, std::min<int64_t>(2, last)));
  ASSIGN_OR_RETURN(opt.eos, ReadInteger(config, "eos_token_id", 0, last, std::min<int64_t>(2, last)));
  ASSIGN_OR_RETURN(opt.pad, ReadInteger(config, "pad_token_id", 0, last, std::min<int64_t>(1, last)));
  return opt;
}

}  // namespace dilemma
