// Which tensor of a Hugging Face OPT checkpoint becomes which tensor of the GGUF file.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "importer/opt_config.h"
#include "importer/weight_files.h"
#include "model/model.h"

namespace dilemma {

struct TensorPlan {
  std::string source;                           // name in the checkpoint, without a leading "model."
  std::string name;                             // in the GGUF file
  std::array<int64_t, 4> shape = {1, 1, 1, 1};  // ggml order: row length first
  int64_t skipped_rows = 0;                     // at the start of the source
  bool matrix = false;                          // may be F16; biases and norms stay F32
};

// In the order in which the model uses them. Every tensor is checked to be there with the shape that
// config.json asks for, and none may be left over: kInvalidArgument naming file, tensor and field.
absl::StatusOr<std::vector<TensorPlan>> PlanTensors(const OptConfig& config, const WeightFiles& weights);

}  // namespace dilemma
