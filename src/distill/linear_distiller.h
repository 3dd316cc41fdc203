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
  bool plain = false;  // neither: every block by itself, scales weighted by the diagonal of H
  std::string ToString() const;
};

struct LinearTask {
  std::string name;
  const Matrix* weights = nullptr;  // the teacher's
  TensorType type;
};

struct LinearResult {
  QuantizedMatrix matrix;
  LinearRecipe recipe;        // the one that was chosen
  double held_out_error = 0;  // of that recipe on text it did not see; see LinearError
};

// For each task tries every recipe on `train`, chooses the one with the smallest error on `held_out` (moments
// of windows that were not trained on), and makes the matrix by it from both together. The target of a matrix
// is W x + d, of which `correction` says how much is sought beyond W y: asymmetric calibration (GPTAQ, arXiv
// 2504.02692; Qronos, arXiv 2505.11695), damped. Recipes of equal damping should follow one another. Without
// held-out rows the first recipe is taken.
absl::StatusOr<std::vector<LinearResult>> DistilLinear(std::span<const LinearTask> tasks, Moments train,
                                                       Moments held_out,
                                                       std::span<const LinearRecipe> recipes);

// Scales chosen with the mean square of each input as importance, nothing made up for.
absl::StatusOr<QuantizedMatrix> RoundByMoments(const Matrix& weights, const Moments& moments,
                                               TensorType type);

// E|Wx + d - Vy|^2 less the same at V = W: negative where V is the better student.
double LinearError(const Matrix& weights, const Matrix& values, const Moments& moments);

}  // namespace dilemma
