#include "distill/linear_distiller.h"

#include <map>

#include "base/parallel.h"
#include "base/status.h"

namespace dilemma {
namespace {

// a * b, rows spread over the cores.
Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix result(a.rows(), b.cols());
  constexpr int64_t kRows = 64;
  ParallelFor((a.rows() + kRows - 1) / kRows, [&](int64_t first, int64_t last) {
    const int64_t start = first * kRows, rows = std::min<int64_t>(last * kRows, a.rows()) - start;
    result.middleRows(start, rows).noalias() = a.middleRows(start, rows) * b;
  });
  return result;
}

// H^-1 of the damped H, columns in their natural order.
Matrix Inverse(const SweepPlan& plan) {
  const Eigen::Index n = plan.factor.rows();
  Matrix ordered = Matrix::Zero(n, n);
  const MatrixView factor(plan.factor.data(), n, n);
  AddProduct(factor, factor, ordered);
  Matrix inverse(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < n; ++j) inverse(plan.order[i], plan.order[j]) = ordered(i, j);
  }
  return inverse;
}

// W (C - H) + D: what moves the weights from Wy towards Wx + d.
Matrix Gap(const Matrix& weights, const Moments& moments) {
  Matrix gap = Product(weights, moments.cross - moments.student);
  if (moments.residual.size() > 0) gap += moments.residual;
  return gap;
}

}  // namespace

double LinearError(const Matrix& weights, const Matrix& values, const Moments& moments) {
  Matrix wanted = Product(weights, moments.cross);
  if (moments.residual.size() > 0) wanted += moments.residual;
  const Matrix got = Product(values, moments.student);
  return (values.cast<double>().array() * (got - 2 * wanted).cast<double>().array()).sum();
}

absl::StatusOr<LinearResult> DistilLinear(std::span<const LinearTask> tasks, const Moments& train,
                                          const Moments& held_out, std::span<const LinearRecipe> recipes) {
  LinearResult best;
  std::vector<Matrix> gaps;
  for (const LinearTask& task : tasks) gaps.push_back(Gap(*task.weights, train));
  std::map<std::pair<double, int>, std::pair<SweepPlan, Matrix>> plans;  // by damping and block
  for (const LinearRecipe& recipe : recipes) {
    LinearResult result;
    result.recipe = recipe;
    for (size_t t = 0; t < tasks.size(); ++t) {
      const auto block = static_cast<int>(BlockSize(tasks[t].type));
      auto found = plans.find({recipe.damping, block});
      if (found == plans.end()) {
        ASSIGN_OR_RETURN(SweepPlan plan, PlanSweep(train.student, recipe.damping, block));
        Matrix inverse = Inverse(plan);
        found =
            plans.emplace(std::pair(recipe.damping, block), std::pair(std::move(plan), std::move(inverse)))
                .first;
      }
      const auto& [plan, inverse] = found->second;
      Matrix target = *tasks[t].weights;
      if (recipe.correction != 0) target += static_cast<float>(recipe.correction) * Product(gaps[t], inverse);
      ASSIGN_OR_RETURN(QuantizedMatrix matrix, Sweep(target, plan, tasks[t].type));
      result.held_out_error += LinearError(*tasks[t].weights, matrix.values, held_out);
      result.matrices.push_back(std::move(matrix));
    }
    if (best.matrices.empty() || result.held_out_error < best.held_out_error) best = std::move(result);
  }
  return best;
}

}  // namespace dilemma
