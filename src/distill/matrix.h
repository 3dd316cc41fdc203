// Dense matrices of the distillation. Inside the room only.
#pragma once

#include "Eigen/Dense"

namespace dilemma {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<const Matrix>;
using MatrixD = Eigen::MatrixXd;

// Work on columns [first, last) of a result at a time, on all cores.
// a += x^T y, with x: N x rows(a), y: N x cols(a).
void AddProduct(const MatrixView& x, const MatrixView& y, Matrix& a);

}  // namespace dilemma
