#include "distill/gptq.h"

#include <algorithm>
#include <numeric>

#include "base/parallel.h"
#include "base/status.h"
#include "quantizer/block_codec.h"
#include "quantizer/importance.h"

namespace dilemma {
namespace {

// Blocks by descending sum of the diagonal, columns within a block by descending diagonal.
Eigen::VectorXi OrderOf(const Matrix& h, int block) {
  const auto columns = static_cast<int>(h.cols());
  const int blocks = columns / block;
  std::vector<double> weight(static_cast<size_t>(blocks));
  for (int b = 0; b < blocks; ++b) {
    weight[static_cast<size_t>(b)] =
        h.diagonal().segment(Eigen::Index{b} * block, block).cast<double>().sum();
  }
  std::vector<int> turns(static_cast<size_t>(blocks));
  std::iota(turns.begin(), turns.end(), 0);
  std::stable_sort(turns.begin(), turns.end(), [&](int a, int b) {
    return weight[static_cast<size_t>(a)] > weight[static_cast<size_t>(b)];
  });
  Eigen::VectorXi order(columns);
  int* next = order.data();
  for (const int b : turns) {
    std::iota(next, next + block, b * block);
    std::stable_sort(next, next + block, [&](int i, int j) { return h(i, i) > h(j, j); });
    next += block;
  }
  return order;
}

// Inverse of an upper triangular matrix, in place, by halves: a sixth of the work of solving for the
// identity.
void InvertUpper(Eigen::Ref<MatrixD> u) {
  const Eigen::Index n = u.rows();
  if (n <= 64) {
    const MatrixD inverse = u.triangularView<Eigen::Upper>().solve(MatrixD::Identity(n, n));
    u.triangularView<Eigen::Upper>() = inverse;
    return;
  }
  const Eigen::Index half = n / 2, rest = n - half;
  auto first = u.topLeftCorner(half, half), second = u.bottomRightCorner(rest, rest);
  InvertUpper(first);
  InvertUpper(second);
  const MatrixD left = first.triangularView<Eigen::Upper>() * u.topRightCorner(half, rest);
  u.topRightCorner(half, rest).noalias() = -left * second.triangularView<Eigen::Upper>();
}

// One block of one row: scales, then column by column. `row` is in order of turn and is left as the weights
// stood when they were rounded; `errors` gets what later columns make up for.
class BlockSweep {
 public:
  BlockSweep(const SweepPlan& plan, const BlockCodec& codec) : plan_(plan), codec_(codec) {}

  void Run(float* row, int start, float* values, float* errors, char* block) {
    const int size = codec_.block_size();
    const int first = plan_.order[start] / size * size;
    for (int i = 0; i < size; ++i) {
      place_[static_cast<size_t>(i)] = plan_.order[start + i] - first;
      natural_[static_cast<size_t>(place_[static_cast<size_t>(i)])] = row[i];
      importance_[static_cast<size_t>(place_[static_cast<size_t>(i)])] = plan_.importance[start + i];
    }
    codec_.FitScales(natural_.data(), importance_.data(), block, grid_);
    for (int i = 0; i < size; ++i) {
      const int j = place_[static_cast<size_t>(i)];
      float value;
      codes_[static_cast<size_t>(j)] = static_cast<uint8_t>(codec_.Nearest(grid_, j, row[i], value));
      values[first + j] = value;
      const float* factors = &plan_.factor(start + i, start);
      const float error = (row[i] - value) / factors[i];
      errors[i] = error;
      for (int k = i + 1; k < size; ++k) row[k] -= error * factors[k];
    }
    codec_.Pack(codes_.data(), block);
  }

 private:
  const SweepPlan& plan_;
  const BlockCodec& codec_;
  BlockGrid grid_;
  std::array<int, kMaxBlock> place_;
  alignas(64) std::array<float, kMaxBlock> natural_, importance_;
  std::array<uint8_t, kMaxBlock> codes_;
};

}  // namespace

absl::StatusOr<SweepPlan> PlanSweep(const Matrix& h, double damping, int block) {
  SweepPlan plan;
  plan.block = block;
  plan.order = OrderOf(h, block);
  const Eigen::Index n = h.rows();
  const double added = damping * h.diagonal().cast<double>().mean();
  // With columns reversed, h = L L^T; reversing back makes that h = R R^T with R upper, and U = R^-1.
  MatrixD reversed(n, n);
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = 0; i < n; ++i) {
      reversed(i, j) = h(plan.order[n - 1 - i], plan.order[n - 1 - j]);
    }
    reversed(j, j) += added;
  }
  plan.importance = reversed.diagonal().reverse().cast<float>();
  const Eigen::LLT<Eigen::Ref<MatrixD>> cholesky(reversed);
  if (cholesky.info() != Eigen::Success)
    return Internal("the moments of a layer's input are not positive definite");
  MatrixD upper = MatrixD(cholesky.matrixL()).reverse();
  InvertUpper(upper);
  plan.factor = upper.cast<float>();
  return plan;
}

absl::StatusOr<QuantizedMatrix> Sweep(const Matrix& weights, const SweepPlan& plan, TensorType type) {
  ASSIGN_OR_RETURN(const auto codec, BlockCodec::Create(type));
  const int size = codec->block_size();
  const auto columns = static_cast<int>(weights.cols());
  if (columns % size != 0 || plan.block != size)
    return InvalidArgument("rows of {} cannot be {}", columns, Name(type));
  QuantizedMatrix result;
  result.values.resize(weights.rows(), columns);
  const int64_t row_bytes = RowBytes(type, columns);
  result.bytes.resize(static_cast<size_t>(weights.rows() * row_bytes));
  constexpr int64_t kRows = 16;
  ParallelFor((weights.rows() + kRows - 1) / kRows, [&](int64_t first, int64_t last) {
    BlockSweep sweep(plan, *codec);
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t top = chunk * kRows, rows = std::min<int64_t>(kRows, weights.rows() - top);
      Matrix work(rows, columns), errors(rows, size);
      for (int j = 0; j < columns; ++j) work.col(j) = weights.col(plan.order[j]).segment(top, rows);
      for (int start = 0; start < columns; start += size) {
        for (int64_t r = 0; r < rows; ++r) {
          char* block = result.bytes.data() + (top + r) * row_bytes +
                        static_cast<int64_t>(plan.order[start] / size) * codec->block_bytes();
          sweep.Run(&work(r, start), start, &result.values(top + r, 0), &errors(r, 0), block);
        }
        const int rest = columns - start - size;
        work.rightCols(rest).noalias() -= errors * plan.factor.block(start, start + size, size, rest);
      }
    }
  });
  return result;
}

absl::StatusOr<QuantizedMatrix> RoundWithImportance(const Matrix& weights, std::span<const float> importance,
                                                    TensorType type) {
  QuantizedMatrix result;
  result.values.resize(weights.rows(), weights.cols());
  const auto size = static_cast<size_t>(weights.size());
  if (static_cast<Eigen::Index>(importance.size()) != weights.cols())
    return InvalidArgument("importance of {} columns for rows of {}", importance.size(), weights.cols());
  ASSIGN_OR_RETURN(result.bytes,
                   RoundByImportance({weights.data(), size}, importance, type, {result.values.data(), size}));
  return result;
}

}  // namespace dilemma
