// Measured sensitivity: what each unit loses at each type, in nats of KL divergence at the model's output.
// The error that quantization makes at a group of matrices is measured with the full second moments of its
// inputs and the real quantized bytes; the KL that goes with it is measured end to end, for each group at two
// types and for all of a layer together at two (distill/layer_losses.h). At the end whole models are measured
// on other text, and all losses scaled so that their sums foretell them (distill/whole_models.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "distill/whole_models.h"
#include "model/model.h"
#include "quality/quality.h"
#include "quantizer/importance.h"

namespace dilemma {

struct SensitivityOptions {
  int threads = 0;         // 0: all cores
  int probe_windows = 4;   // of the windows, spread evenly, for end-to-end KL; moments use all
  int probe_tokens = 256;  // first tokens of a window that are run for it
  int probe_rows = 64;     // positions of their second half whose KL is taken, spread evenly
  int max_choices = 16;    // mixes a unit keeps
  // Text that `windows` lacks, for whole models: weights are rounded to what the windows show, and lose a
  // little more elsewhere. Empty: no whole model is measured, and losses are what units lose alone.
  std::vector<std::vector<int32_t>> held_out;
  std::filesystem::path work_file;  // finished units are kept here for the next run; empty: nowhere
};

struct SensitivityEvent {
  int done = 0, total = 0;  // units, and the whole models as one more
  double part = 0;          // of the unit under way
  std::string unit;         // under way, or "whole models"
};
// Returning false cancels (kCancelled; finished units stay in work_file).
using SensitivityProgress = std::function<bool(const SensitivityEvent&)>;

struct Sensitivity {
  QualityTable table;
  Importance importance;                 // of the inputs of every matrix measured: what the losses hold with
  std::vector<WholeModel> whole_models;  // as measured; estimates are those before the table was scaled
};

// A table with, for each unit, the mixes of types on the lower convex edge of bytes against loss. Types on
// whose grid the source lies are left out (OnSourceGrid). `windows`: the calibration text.
absl::StatusOr<Sensitivity> MeasureSensitivity(const ModelInfo& model,
                                               std::span<const std::vector<int32_t>> windows,
                                               const SensitivityOptions& options,
                                               const SensitivityProgress& progress = nullptr);

}  // namespace dilemma
