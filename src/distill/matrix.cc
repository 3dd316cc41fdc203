#include "distill/matrix.h"

#include "base/parallel.h"

namespace dilemma {

void AddProduct(const MatrixView& x, const MatrixView& y, Matrix& a) {
  constexpr int64_t kRows = 64;
  const int64_t blocks = (a.rows() + kRows - 1) / kRows;
  ParallelFor(blocks, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t start = block * kRows, rows = std::min<int64_t>(kRows, a.rows() - start);
      a.middleRows(start, rows).noalias() += x.middleCols(start, rows).transpose() * y;
    }
  });
}

void AddSquare(const MatrixView& y, Matrix& a) {
  constexpr int64_t kRows = 64;
  const int64_t n = a.rows();
  ParallelFor((n + kRows - 1) / kRows, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t start = block * kRows, rows = std::min<int64_t>(kRows, n - start);
      a.block(start, start, rows, n - start).noalias() +=
          y.middleCols(start, rows).transpose() * y.rightCols(n - start);
    }
  });
}

}  // namespace dilemma
