// Distils matrices that share an input: targets from the teacher, inputs from the student. Inside the room
// only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "distill/gptq.h"
#include "distill/moments.h"

namespace dilemma {

// How far to lean on the calibration text: `damping` of H, and the share of the teacher-student gap that the
// weights are moved to close.
struct LinearRecipe {
  double damping = 0.2;
  double correction = 0.5;
};

struct LinearTask {
  std::string name;
  const Matrix* weights = nullptr;  // the teacher's
  TensorType type;
};

struct LinearResult {
  std::vector<QuantizedMatrix> matrices;  // one a task
  LinearRecipe recipe;                    // the one that was chosen
  double held_out_error = 0;              // E|Wx + d - Qy|^2 less E|Wx + d|^2: lower is better
};

// Tries every recipe on `train` and keeps the one with the smallest error on `held_out`, moments of windows
// that were not trained on. The target of one matrix is W x + d, of which `correction` says how much is
// sought beyond W y: asymmetric calibration (GPTAQ, arXiv 2504.02692; Qronos, arXiv 2505.11695), damped.
absl::StatusOr<LinearResult> DistilLinear(std::span<const LinearTask> tasks, const Moments& train,
                                          const Moments& held_out, std::span<const LinearRecipe> recipes);

// E|Wx + d - Qy|^2 less E|Wx + d|^2.
double LinearError(const Matrix& weights, const Matrix& values, const Moments& moments);

}  // namespace dilemma
