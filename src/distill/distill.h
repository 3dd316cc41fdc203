// Knowledge distillation layer by layer, without back-propagation: each matrix of the student is quantized so
// that, on the student's own inputs, the layer gives what the teacher's gives on the teacher's (src/distill's
// gptq.h and linear_distiller.h name the sources). Memory is bounded by the hidden states of the calibration
// text and one layer's second moments.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quantizer/shard_writer.h"

namespace dilemma {

enum class DistillMethod {
  kDistil,      // the whole recipe
  kImportance,  // no compensation: scales chosen with the mean square of each input as importance
};

struct DistillOptions {
  DistillMethod method = DistillMethod::kDistil;
  double held_out = 0.25;  // share of the windows that recipes are chosen on
  int threads = 0;         // 0: all cores
  // Finished units are kept here and taken up again by a run with the same model, types, text and options;
  // empty: nothing is kept.
  std::filesystem::path work_dir;
};

struct DistillEvent {
  int done = 0, total = 0;  // units
  double part = 0;          // of the unit under way; 0: one was just finished
  std::string unit;         // that one
  std::string note;         // what was chosen, for people
};
// Returning false cancels (kCancelled; finished units stay in work_dir).
using DistillProgress = std::function<bool(const DistillEvent&)>;

// Writes the distilled model, with its tokenizer, to `path`. `types`: one mix a unit. `windows`: the
// calibration text as tokens, each of 2 to 4096; at least 4 windows. Where embedding and head are tied in the
// source and get the same type they stay tied. Deterministic.
absl::StatusOr<ShardInfo> Distill(const ModelInfo& model, std::span<const TypeMix> types,
                                  std::span<const std::vector<int32_t>> windows,
                                  const DistillOptions& options, const std::filesystem::path& path,
                                  const DistillProgress& progress = nullptr);

}  // namespace dilemma
