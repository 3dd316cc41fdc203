// The inner loop of every knapsack over cells, in whole numbers: eight cells at a time where the machine can.
#pragma once

#include <cstdint>

namespace dilemma {

struct ShiftedCost {
  int32_t shift = 0;  // cells
  int32_t cost = 0;
};

// Buffers of RelaxCells reach this far beyond the cells that count.
constexpr int kCellPadding = 16;
// Above any sum; adding a cost to it does not overflow.
constexpr int32_t kNoSum = int32_t{1} << 30;

// next[i] = min over items of now[i - shift] + cost, for i in [0, size). `now`
// is readable from -(the largest shift), holds kNoSum below 0, and like `next`
// has kCellPadding cells beyond `size`. count >= 1.
void RelaxCells(const int32_t* now, int32_t* next, const ShiftedCost* items, int count, int size);

// next[i] = min(next[i], now[i - shift] + cost) for i in [shift, size).
void RelaxShifted(const double* now, double* next, int shift, int size, double cost);

// into[i] = min(into[i], from[i] + cost) for i in [0, size).
void RelaxInto(const double* from, double* into, int size, double cost);

}  // namespace dilemma
