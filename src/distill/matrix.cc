#include "distill/matrix.h"

#include "base/parallel.h"

namespace dilemma {

void AddProduct(const MatrixView& x, const MatrixView& y, Matrix& a) {
  constexpr int64_t kRows = 64;
  const int64_t blocks = (a.rows() + kRows - 1) / kRows;
  ParallelFor(blocks, [&](int64_t first, int64_t last) {
    const int64_t start = first * kRows, rows = std::min<int64_t>(last * kRows, a.rows()) - start;
    a.middleRows(start, rows).noalias() += x.middleCols(start, rows).transpose() * y;
  });
}

}  // namespace dilemma
