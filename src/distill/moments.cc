#include "distill/moments.h"

namespace dilemma {

void Moments::Add(std::span<const float> x, std::span<const float> y, std::span<const float> d,
                  int64_t columns, int64_t n_embd) {
  const int64_t count = static_cast<int64_t>(y.size()) / columns;
  const MatrixView teacher(x.data(), count, columns), input(y.data(), count, columns);
  if (rows == 0) {
    student = Matrix::Zero(columns, columns);
    gap = Matrix::Zero(columns, columns);
    if (!d.empty()) residual = Matrix::Zero(n_embd, columns);
  }
  AddSquare(input, student);
  const Matrix lacking = teacher - input;
  AddProduct(MatrixView(lacking.data(), count, columns), input, gap);
  if (!d.empty()) AddProduct(MatrixView(d.data(), count, n_embd), input, residual);
  rows += static_cast<double>(count);
}

void Moments::AddInput(std::span<const float> y, int64_t columns) {
  const int64_t count = static_cast<int64_t>(y.size()) / columns;
  if (rows == 0) student = Matrix::Zero(columns, columns);
  AddSquare(MatrixView(y.data(), count, columns), student);
  rows += static_cast<double>(count);
}

void Moments::Average() {
  if (rows == 0) return;
  const auto factor = static_cast<float>(1 / rows);
  student.triangularView<Eigen::StrictlyLower>() = student.transpose();
  student *= factor;
  gap *= factor;
  residual *= factor;
}

void Moments::Mix(const Moments& other) {
  if (other.rows == 0) return;
  const auto share = static_cast<float>(rows / (rows + other.rows));
  rows += other.rows;
  student = share * student + (1 - share) * other.student;
  if (gap.size() > 0) gap = share * gap + (1 - share) * other.gap;
  if (residual.size() > 0) residual = share * residual + (1 - share) * other.residual;
}

}  // namespace dilemma
