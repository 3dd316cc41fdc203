// What the tables of blocks share: items priced in whole numbers, and the knapsack over cells that takes one
// unit of a block in after another.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/block_instance.h"
#include "planner/min_plus.h"

namespace dilemma {

// Prices on loss (of the whole budget) and on memory (seconds a byte, by server; empty: none).
struct BlockPrices {
  double mu = 0;
  std::vector<double> memory;
  double Memory(int n) const { return memory.empty() ? 0 : memory[static_cast<size_t>(n)]; }
  // What an item costs on n, with its memory beyond the smallest type.
  double Of(const Item& item, int n) const {
    return item.cost + mu * item.loss + Memory(n) * static_cast<double>(item.excess);
  }
};

class PricedCells {
 public:
  explicit PricedCells(const BlockInstance& instance);
  // The longest block of units anywhere on n.
  int Longest(int n) const { return longest_[static_cast<size_t>(n)]; }
  // Priced costs become whole multiples of a server's grain, rounded down: sums are lower bounds.
  void Price(const BlockPrices& prices);
  double Grain(int n) const { return grain_[static_cast<size_t>(n)]; }  // seconds

  // A block of no units, which may take as many cells.
  void Start(int cells);
  // Takes unit u on n into the block, which may then take as many cells (no more than before).
  void Add(int u, int n, int cells);
  // Least sum of grains within so many cells; up to what the last Start or Add was given.
  int32_t Sum(int cells) const { return now_[pad_ + static_cast<size_t>(cells)]; }

 private:
  const BlockInstance& in_;
  std::vector<int> longest_;         // [n]
  std::vector<double> grain_;        // [n]
  std::vector<ShiftedCost> priced_;  // of every item, [u][n] as in the instance
  std::vector<size_t> row_;          // [u * servers + n] where its items begin
  size_t pad_ = 0;                   // cells before the first one
  std::vector<int32_t> now_, next_;  // by cells that may be used
};

}  // namespace dilemma
