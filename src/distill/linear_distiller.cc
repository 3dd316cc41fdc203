#include "distill/linear_distiller.h"

#include <fmt/format.h>

#include <optional>

#include "base/parallel.h"
#include "base/status.h"

namespace dilemma {
namespace {

// Calls body(start, rows) for blocks of rows, spread over the cores; the blocks do not depend on how many.
template <typename Body>
void ForRows(Eigen::Index all, const Body& body) {
  constexpr int64_t kRows = 64;
  ParallelFor((all + kRows - 1) / kRows, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      body(block * kRows, std::min<int64_t>(kRows, all - block * kRows));
    }
  });
}

Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix result(a.rows(), b.cols());
  ForRows(a.rows(), [&](int64_t start, int64_t rows) {
    result.middleRows(start, rows).noalias() = a.middleRows(start, rows) * b;
  });
  return result;
}

// W E[(x - y) y^T] + E[d y^T]: what moves the weights from W y towards W x + d.
Matrix Gap(const Matrix& weights, const Moments& moments) {
  Matrix gap = Product(weights, moments.gap);
  if (moments.residual.size() > 0) gap += moments.residual;
  return gap;
}

// gap * H^-1 of the damped H, by the two triangular factors.
Matrix TimesInverse(const Matrix& gap, const SweepPlan& plan) {
  Matrix result(gap.rows(), gap.cols());
  ForRows(gap.rows(), [&](int64_t start, int64_t rows) {
    Matrix part(rows, gap.cols());
    for (Eigen::Index j = 0; j < gap.cols(); ++j) part.col(j) = gap.col(plan.order[j]).segment(start, rows);
    part = part * plan.factor.transpose().triangularView<Eigen::Lower>();
    part = part * plan.factor.triangularView<Eigen::Upper>();
    for (Eigen::Index j = 0; j < gap.cols(); ++j)
      result.col(plan.order[j]).segment(start, rows) = part.col(j);
  });
  return result;
}

double ErrorWithGap(const Matrix& weights, const Matrix& values, const Matrix& gap, const Matrix& h) {
  const Matrix change = values - weights;
  Matrix slope = Product(change, h);
  slope -= 2 * gap;
  return (change.cast<double>().array() * slope.cast<double>().array()).sum();
}

// Recipes applied to one set of moments. Plans of the last damping are kept.
class Applier {
 public:
  explicit Applier(const Moments& moments) : moments_(moments) {}

  absl::StatusOr<QuantizedMatrix> Apply(const LinearTask& task, const Matrix& gap,
                                        const LinearRecipe& recipe) {
    if (recipe.plain) return RoundByMoments(*task.weights, moments_, task.type);
    const auto block = static_cast<int>(BlockSize(task.type));
    if (!plan_ || damping_ != recipe.damping || plan_->block != block) {
      plan_.reset();
      ASSIGN_OR_RETURN(plan_, PlanSweep(moments_.student, recipe.damping, block));
      damping_ = recipe.damping;
    }
    if (recipe.correction == 0) return Sweep(*task.weights, *plan_, task.type);
    const Matrix target = *task.weights + static_cast<float>(recipe.correction) * TimesInverse(gap, *plan_);
    return Sweep(target, *plan_, task.type);
  }

 private:
  const Moments& moments_;
  std::optional<SweepPlan> plan_;
  double damping_ = 0;
};

absl::Status ChooseRecipes(std::span<const LinearTask> tasks, const Moments& train, const Moments& held_out,
                           std::span<const LinearRecipe> recipes, std::vector<LinearResult>& results) {
  std::vector<Matrix> gaps, held_out_gaps;
  for (const LinearTask& task : tasks) {
    gaps.push_back(Gap(*task.weights, train));
    held_out_gaps.push_back(Gap(*task.weights, held_out));
  }
  Applier applier(train);
  for (const LinearRecipe& recipe : recipes) {
    for (size_t t = 0; t < tasks.size(); ++t) {
      ASSIGN_OR_RETURN(const QuantizedMatrix matrix, applier.Apply(tasks[t], gaps[t], recipe));
      const double error = ErrorWithGap(*tasks[t].weights, matrix.values, held_out_gaps[t], held_out.student);
      if (&recipe != recipes.data() && error >= results[t].held_out_error) continue;
      results[t].held_out_error = error;
      results[t].recipe = recipe;
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string LinearRecipe::ToString() const {
  return plain ? "plain" : fmt::format("{:.2f}/{:.2f}", damping, correction);
}

double LinearError(const Matrix& weights, const Matrix& values, const Moments& moments) {
  return ErrorWithGap(weights, values, Gap(weights, moments), moments.student);
}

absl::StatusOr<QuantizedMatrix> RoundByMoments(const Matrix& weights, const Moments& moments,
                                               TensorType type) {
  Eigen::VectorXf importance = moments.student.diagonal();
  importance.array() += 1e-3F * importance.mean();
  return RoundWithImportance(weights, {importance.data(), static_cast<size_t>(importance.size())}, type);
}

absl::StatusOr<std::vector<LinearResult>> DistilLinear(std::span<const LinearTask> tasks, Moments train,
                                                       Moments held_out,
                                                       std::span<const LinearRecipe> recipes) {
  std::vector<LinearResult> results(tasks.size());
  for (LinearResult& result : results) result.recipe = recipes.front();
  if (held_out.rows > 0) {
    RETURN_IF_ERROR(ChooseRecipes(tasks, train, held_out, recipes, results));
  }
  train.Mix(held_out);
  held_out = {};
  Applier applier(train);
  for (size_t t = 0; t < tasks.size(); ++t) {
    const Matrix gap = Gap(*tasks[t].weights, train);
    ASSIGN_OR_RETURN(results[t].matrix, applier.Apply(tasks[t], gap, results[t].recipe));
  }
  return results;
}

}  // namespace dilemma
