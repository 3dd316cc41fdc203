// Dense matrices of the distillation. Inside the room only.
#pragma once

#include "Eigen/Dense"

namespace dilemma {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<const Matrix>;
using MatrixD = Eigen::MatrixXd;

// On all cores; the result does not depend on how many.
// a += x^T y, with x: N x rows(a), y: N x cols(a).
void AddProduct(const MatrixView& x, const MatrixView& y, Matrix& a);
// a += y^T y, of which only the upper half (and some of the lower) is filled.
void AddSquare(const MatrixView& y, Matrix& a);

}  // namespace dilemma
