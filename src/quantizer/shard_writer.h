// Writes shards: GGUF files that hold a run of consecutive units of a model at given types, and nothing else.
// A shard is readable by libllama with third_party/patches/llama.cpp-*-stages.patch: without token_embd there
// is no token input, without output_norm there are no logits. Layers are renumbered from 0; no shard has a
// tokenizer (the coordinator keeps it), so a server that holds only middle layers learns nothing of the text.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"

namespace dilemma {

struct ShardInfo {
  std::filesystem::path path;
  std::string sha256;
  int64_t bytes = 0;
};

// Called with tensors done and all; returning false cancels (kCancelled, nothing left behind).
using Progress = std::function<bool(int done, int total)>;

// The bytes of a tensor in a type, where they do not come from ggml's own quantization of the source.
using TensorBytes = std::function<absl::StatusOr<std::string>(const TensorInfo& tensor, TensorType type)>;

// Quantizes units [first_unit, last_unit] of the model to `types` (one a unit) and writes them to `path`
// (beside, then renamed). A tensor whose source type is already the wanted one is copied as it is.
// Deterministic: same input, same bytes. `bytes`, where given, takes the place of quantization.
absl::StatusOr<ShardInfo> WriteShard(const ModelInfo& model, int first_unit, int last_unit,
                                     std::span<const TypeMix> types, const std::filesystem::path& path,
                                     const Progress& progress = nullptr, const TensorBytes& bytes = nullptr);

// The whole model at the same types in one GGUF with its tokenizer, head and embedding apart: what a chain of
// shards must equal.
absl::StatusOr<ShardInfo> WriteWhole(const ModelInfo& model, std::span<const TypeMix> types,
                                     const std::filesystem::path& path, const Progress& progress = nullptr);

// As WriteWhole, with the quantizable tensors' bytes from `bytes`. `tied`: embedding and head share one
// matrix (the embedding's), as in a source whose head is tied; their types must be the same.
absl::StatusOr<ShardInfo> WriteWholeFrom(const ModelInfo& model, std::span<const TypeMix> types,
                                         const TensorBytes& bytes, bool tied,
                                         const std::filesystem::path& path,
                                         const Progress& progress = nullptr);

// A shard for timing: `layers` copies of the shapes of the model's first layer (embedding / head where asked)
// at `type`, filled with pseudo-random weights of plausible size. Carries no weights of the model, so a
// server can write it itself from the model's shape.
struct ProbeShape {
  std::string metadata;  // GGUF header of the model's keys, as MakeProbeShape gives it
  int layers = 1;
  bool embedding = false, head = false;
  std::string mix;  // TypeMix text for all units
};
absl::StatusOr<ProbeShape> MakeProbeShape(const ModelInfo& model);
// kResourceExhausted, and nothing written, where the weights would be of more than `max_bytes`.
absl::StatusOr<ShardInfo> WriteProbeShard(const ProbeShape& shape, const std::filesystem::path& path,
                                          int64_t max_bytes = int64_t{1} << 40);

}  // namespace dilemma
