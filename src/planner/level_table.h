// What blocks of units cost where a server may hold several of them. How much of a server's memory is taken
// already is known by its level: level i means "at least Threshold(n, i) bytes". A block that finds its
// server at level i and leaves it at level e takes less than what separates Threshold(n, i) from Threshold(n,
// e + 1): rounding down, so that costs stay lower bounds.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/priced_cells.h"

namespace dilemma {

class LevelTable {
 public:
  LevelTable(const BlockInstance& instance, int levels);

  int levels() const { return levels_; }
  int LevelOf(int n, int64_t used) const;
  void Compute(const BlockPrices& prices);
  const BlockPrices& prices() const { return prices_; }
  // Least priced costs (types, loss, memory) of blocks on n that begin at unit a, by length; valid to Length.
  const double* Row(int n, int a, int from, int to) const { return &cost_[RowAt(n, a, from, to)]; }
  double Cost(int n, int a, int k, int from, int to) const { return Row(n, a, from, to)[k]; }
  int Length(int n, int a, int from, int to) const {
    return length_[(static_cast<size_t>(n) * pairs_ + Pair(from, to)) * in_.units + static_cast<size_t>(a)];
  }

  struct Use {
    double loss = 0;
    int64_t bytes = 0;       // the stage's buffers included
    std::vector<int> types;  // of the Problem
  };
  // Adds what the block of Cost(n, a, k, from, to) loses and takes.
  void AddUse(int n, int a, int k, int from, int to, Use& use) const;

 private:
  static constexpr int64_t kNoRoom = -1;
  size_t Pair(int from, int to) const {
    return static_cast<size_t>(from) * levels_ + static_cast<size_t>(to);
  }
  size_t RowSize(int n) const { return static_cast<size_t>(cells_.Longest(n)) + 1; }
  size_t RowAt(int n, int a, int from, int to) const {
    return row_[static_cast<size_t>(n)] + (Pair(from, to) * in_.units + static_cast<size_t>(a)) * RowSize(n);
  }
  // Cells beyond the smallest types that a block may take between two levels; kNoRoom where it does not fit.
  int64_t Cells(int n, int a, int k, int from, int to) const;
  void ComputeRows(int n, int a);

  const BlockInstance& in_;
  const int levels_;
  const size_t pairs_;
  BlockPrices prices_;
  std::vector<int64_t> threshold_;  // [n][level]
  std::vector<int64_t> room_;       // [n][pair] bytes
  std::vector<int> length_;         // [n][pair][unit]
  std::vector<size_t> row_;
  std::vector<double> cost_;
  PricedCells cells_;
};

}  // namespace dilemma
