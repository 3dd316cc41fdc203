// A shard whose linear layers can be watched and changed while it runs: what calibration, sensitivity and
// distillation stand on. Only shards with F32 matrices (WriteShard with "f32") may be changed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

// Matrices that are multiplied with the same input, in order of execution: {attn_q, attn_k, attn_v},
// {attn_output}, {ffn_gate, ffn_up}, {ffn_down} of a layer; {output} of a head.
struct LinearGroup {
  std::vector<std::string> tensors;  // as the shard names them: "blk.0.attn_q.weight"
  int64_t columns = 0;               // values in one row of the input
};

// Owned by the caller; one thread at a time.
class LayerProbe {
 public:
  // A shard without the embedding. Texts of at most `rows` rows; every error names the file.
  static absl::StatusOr<std::unique_ptr<LayerProbe>> Load(const std::filesystem::path& shard, int64_t rows,
                                                          int threads);
  virtual ~LayerProbe() = default;

  virtual const std::vector<LinearGroup>& groups() const = 0;
  virtual int64_t n_embd() const = 0;

  // Runs one text from its first position (rows x n_embd) up to the input of groups()[group] and no further;
  // where `output` is given it is run to the end and gets what Output would give. The input (rows x columns)
  // is valid until the next call.
  virtual absl::StatusOr<std::span<const float>> InputOf(std::span<const float> hidden, int group,
                                                         std::vector<float>* output = nullptr) = 0;
  // Runs one text and gives `take` the input of every group on the way, in their order, valid during the
  // call; goes on to the end where `output` is given, as InputOf does.
  using TakeInput = std::function<void(int group, std::span<const float> input)>;
  virtual absl::Status Inputs(std::span<const float> hidden, const TakeInput& take,
                              std::vector<float>* output = nullptr) = 0;
  // What the last InputOf's text carries past that group, to be added to its product (rows x n_embd): the
  // layer's input for attn_output, the attention's sum for ffn_down. Empty for other groups.
  virtual std::span<const float> Residual() const = 0;
  // Runs one text to the end: hidden states (rows x n_embd) or logits (rows x n_vocab), valid until the next
  // call.
  virtual absl::StatusOr<std::span<const float>> Output(std::span<const float> hidden) = 0;

  // Overwrites an F32 tensor of the shard.
  virtual absl::Status SetTensor(const std::string& name, std::span<const float> values) = 0;
};

}  // namespace dilemma
