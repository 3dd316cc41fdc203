#include "distill/moments.h"

namespace dilemma {

void Moments::Add(std::span<const float> x, std::span<const float> y, std::span<const float> d,
                  int64_t columns, int64_t n_embd) {
  const int64_t count = static_cast<int64_t>(y.size()) / columns;
  const MatrixView teacher(x.data(), count, columns), input(y.data(), count, columns);
  if (rows == 0) {
    student = Matrix::Zero(columns, columns);
    cross = Matrix::Zero(columns, columns);
    if (!d.empty()) residual = Matrix::Zero(n_embd, columns);
  }
  student.selfadjointView<Eigen::Upper>().rankUpdate(input.transpose());
  cross.noalias() += teacher.transpose() * input;
  if (!d.empty()) residual.noalias() += MatrixView(d.data(), count, n_embd).transpose() * input;
  rows += static_cast<double>(count);
}

void Moments::AddInput(std::span<const float> y, int64_t columns) {
  const int64_t count = static_cast<int64_t>(y.size()) / columns;
  if (rows == 0) student = Matrix::Zero(columns, columns);
  student.selfadjointView<Eigen::Upper>().rankUpdate(MatrixView(y.data(), count, columns).transpose());
  rows += static_cast<double>(count);
}

void Moments::Merge(const Moments& other) {
  if (other.rows == 0) return;
  if (rows == 0) {
    *this = other;
    return;
  }
  student += other.student;
  if (cross.size() > 0) cross += other.cross;
  if (residual.size() > 0) residual += other.residual;
  rows += other.rows;
}

void Moments::Average() {
  if (rows == 0) return;
  const auto factor = static_cast<float>(1 / rows);
  student.triangularView<Eigen::StrictlyLower>() = student.transpose();
  student *= factor;
  cross *= factor;
  residual *= factor;
  rows = 1;
}

}  // namespace dilemma
