#include "engine/shard_check.h"

#include <cmath>

#include "base/status.h"
#include "model/model.h"

namespace dilemma {
namespace {

absl::Status CheckInteger(const GgufFile& file, const std::string& key, int64_t min, int64_t max,
                          int64_t absent, int64_t& value) {
  value = file.Integer(key).value_or(absent);
  if (value < min || value > max) {
    return file.Error(fmt::format("the key {} is {}, which is not in [{}, {}]", key, value, min, max));
  }
  return absl::OkStatus();
}

absl::Status CheckHeads(const GgufFile& file, const std::string& arch, ShardShape& shape) {
  int64_t heads = 0, kv_heads = 0, dim_k = 0, dim_v = 0, rotated = 0;
  RETURN_IF_ERROR(CheckInteger(file, arch + ".attention.head_count", 1, 4096, 0, heads));
  RETURN_IF_ERROR(CheckInteger(file, arch + ".attention.head_count_kv", 1, heads, heads, kv_heads));
  if (heads % kv_heads != 0) return file.Error("the key-value heads do not divide the attention heads");
  const int64_t dim = shape.n_embd / heads;
  RETURN_IF_ERROR(CheckInteger(file, arch + ".attention.key_length", 1, 4096, dim, dim_k));
  RETURN_IF_ERROR(CheckInteger(file, arch + ".attention.value_length", 1, 4096, dim, dim_v));
  RETURN_IF_ERROR(CheckInteger(file, arch + ".rope.dimension_count", 1, 4096, dim_k, rotated));
  if (dim_k != dim_v || (arch != "opt" && (rotated != dim_k || dim_k % 2 != 0))) {
    return file.Error("the sizes of attention heads do not fit one another");
  }
  shape.kv_bytes_per_token = 2 * kv_heads * (dim_k + dim_v) * shape.n_layer;
  return absl::OkStatus();
}

absl::Status CheckNumbers(const GgufFile& file, const std::string& arch) {
  for (const char* key : {".attention.layer_norm_rms_epsilon", ".attention.layer_norm_epsilon",
                          ".rope.freq_base", ".rope.scaling.factor", ".attention.scale"}) {
    const double value = file.Number(arch + key).value_or(0);
    if (!std::isfinite(value) || value < 0)
      return file.Error(fmt::format("the key {}{} is {}", arch, key, value));
  }
  const std::string scaling = file.String(arch + ".rope.scaling.type").value_or("none");
  if (scaling != "none" && scaling != "linear" && scaling != "yarn" && scaling != "longrope") {
    return file.Error(fmt::format("the key {}.rope.scaling.type is '{}'", arch, scaling));
  }
  for (const char* key : {".expert_count", ".attention.sliding_window", ".nextn_predict_layers"}) {
    if (file.Integer(arch + key).value_or(0) != 0) {
      return file.Error(fmt::format("the key {}{} is set; such models cannot be cut", arch, key));
    }
  }
  return absl::OkStatus();
}

// Head and embedding matrices have as many rows as there are tokens.
absl::Status CheckVocabulary(const GgufFile& file, const std::string& arch, ShardShape& shape) {
  const TensorInfo* embedding = file.FindTensor("token_embd.weight");
  const TensorInfo* output = file.FindTensor("output.weight");
  shape.has_head = output != nullptr || file.FindTensor("output_norm.weight") != nullptr ||
                   (arch == "opt" && file.FindTensor("output_proj.weight") != nullptr);
  shape.has_embedding =
      arch == "opt" ? file.FindTensor("position_embd.weight") != nullptr : embedding != nullptr;
  if (shape.has_head && output == nullptr && embedding == nullptr) {
    return file.Error("it has the head's norm or projection but no output.weight");
  }
  if (shape.has_head && arch != "opt" && file.FindTensor("output_norm.weight") == nullptr) {
    return file.Error("it has output.weight but no output_norm.weight");
  }
  const TensorInfo* matrix = output != nullptr ? output : embedding;
  const int64_t rows = matrix != nullptr ? matrix->shape[1] : 0;
  RETURN_IF_ERROR(CheckInteger(file, arch + ".vocab_size", 1, int64_t{1} << 24, rows, shape.n_vocab));
  for (const TensorInfo* tensor : {embedding, output}) {
    if (tensor != nullptr && tensor->shape[1] != shape.n_vocab) {
      return file.Error(
          fmt::format("{} has {} rows for {} tokens", tensor->name, tensor->shape[1], shape.n_vocab));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const GgufFile& file, const std::string& arch, const StageOptions& options) {
  if (options.context < 1 || options.sequences < 1 || options.sequences > 256 || options.max_batch < 1 ||
      options.threads < 1 || options.threads > 512) {
    return InvalidArgument(
        "stage options out of range: context {}, sequences {} (1 to 256), max_batch {}, threads {}",
        options.context, options.sequences, options.max_batch, options.threads);
  }
  if (options.context > (int64_t{1} << 24) / options.sequences) {
    return InvalidArgument("a context of {} tokens for {} sequences is too large", options.context,
                           options.sequences);
  }
  const int64_t trained = file.Integer(arch + ".context_length").value_or(0);
  if (trained < 1) return file.Error(fmt::format("the key {}.context_length is {}", arch, trained));
  if (arch == "opt" && options.context > trained) {  // learned positions end there
    return file.Error(fmt::format("a context of {} tokens is more than the {} positions the model has",
                                  options.context, trained));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ShardShape> CheckShard(const GgufFile& file, const StageOptions& options) {
  const std::string arch = file.String("general.architecture").value_or("");
  if (!CanBeCut(arch)) {
    return file.Error(fmt::format("architecture '{}' cannot be run as a stage; supported are {}", arch,
                                  SupportedArchitectures()));
  }
  ShardShape shape;
  RETURN_IF_ERROR(CheckOptions(file, arch, options));
  RETURN_IF_ERROR(CheckInteger(file, arch + ".block_count", 0, 512, -1, shape.n_layer));
  RETURN_IF_ERROR(CheckInteger(file, arch + ".embedding_length", 1, int64_t{1} << 20, 0, shape.n_embd));
  RETURN_IF_ERROR(CheckHeads(file, arch, shape));
  RETURN_IF_ERROR(CheckNumbers(file, arch));
  RETURN_IF_ERROR(CheckVocabulary(file, arch, shape));
  return shape;
}

}  // namespace dilemma
