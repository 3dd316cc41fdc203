// Quantization of one matrix against the second moments of its inputs: columns are rounded one after the
// other and the error of each is made up for by those not yet rounded (GPTQ; E. Frantar et al., arXiv
// 2210.17323, with the Cholesky form of OBQ), blocks in order of importance, scales chosen on the weights as
// they stand when their block's turn comes. Inside the room only.
#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "distill/matrix.h"
#include "model/tensor_type.h"

namespace dilemma {

// Order and factors that all matrices with the same inputs share.
struct SweepPlan {
  Eigen::VectorXi order;       // columns in order of their turn; blocks stay together
  Matrix factor;               // U of H^-1 = U^T U, upper triangular, in that order
  Eigen::VectorXf importance;  // diagonal of the damped H, in that order
  int block = 32;
};

// `h` is E[y y^T]; `damping` times the mean of its diagonal is added to the diagonal. kInternal where the
// result is not positive definite.
absl::StatusOr<SweepPlan> PlanSweep(const Matrix& h, double damping, int block);

struct QuantizedMatrix {
  std::string bytes;  // as in a GGUF file
  Matrix values;      // what they decode to
};

// Weights: rows x columns. Deterministic, on all cores.
absl::StatusOr<QuantizedMatrix> Sweep(const Matrix& weights, const SweepPlan& plan, TensorType type);

// Without making up for errors: every block by itself, scales chosen with `importance` a column.
absl::StatusOr<QuantizedMatrix> RoundWithImportance(const Matrix& weights, std::span<const float> importance,
                                                    TensorType type);

}  // namespace dilemma
