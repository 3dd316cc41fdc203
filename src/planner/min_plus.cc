#include "planner/min_plus.h"

#include <cstring>

// Compiled for several machines, and with loops turned into vector
// instructions.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define DILEMMA_VECTOR_LOOPS __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define DILEMMA_VECTOR_LOOPS
#endif

namespace dilemma {
namespace {

constexpr int kLanes = 8;
using Lanes = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
static_assert(kCellPadding % (2 * kLanes) == 0);

}  // namespace

DILEMMA_VECTOR_LOOPS
void RelaxCells(const int32_t* now, int32_t* next, const ShiftedCost* items, int count, int size) {
  for (int i = 0; i < size; i += 2 * kLanes) {
    Lanes low, high;
    Lanes best_low = Lanes{} + kNoSum, best_high = best_low;
    for (int t = 0; t < count; ++t) {
      const int32_t* from = now + i - items[t].shift;
      std::memcpy(&low, from, sizeof low);
      std::memcpy(&high, from + kLanes, sizeof high);
      low += items[t].cost;
      high += items[t].cost;
      best_low = low < best_low ? low : best_low;
      best_high = high < best_high ? high : best_high;
    }
    std::memcpy(next + i, &best_low, sizeof best_low);
    std::memcpy(next + i + kLanes, &best_high, sizeof best_high);
  }
}

DILEMMA_VECTOR_LOOPS
void RelaxShifted(const double* now, double* next, int shift, int size, double cost) {
  for (int i = shift; i < size; ++i) {
    const double candidate = now[i - shift] + cost;
    next[i] = candidate < next[i] ? candidate : next[i];
  }
}

DILEMMA_VECTOR_LOOPS
void RelaxInto(const double* from, double* into, int size, double cost) {
  for (int i = 0; i < size; ++i) {
    const double candidate = from[i] + cost;
    into[i] = candidate < into[i] ? candidate : into[i];
  }
}

}  // namespace dilemma
