// What each block of units costs on each server at a price on loss, and which types it takes for that.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/block_instance.h"
#include "planner/priced_cells.h"

namespace dilemma {

// Cost(n, a, k): the least priced cost of units a .. a+k-1 on n, a multiple-choice knapsack over cells (a
// lower bound; the true optimum, but for rounding by less than 1e-6, where the cells are exact and nobody
// limits busy time).
class BlockTable {
 public:
  explicit BlockTable(const BlockInstance& instance);
  void Compute(double mu);
  double mu() const { return mu_; }
  double Cost(int n, int a, int k) const { return Row(n, a)[k]; }
  // Costs of the blocks that begin at a, by length; [0] is 0, valid to MaxLength(n, a).
  const double* Row(int n, int a) const { return &cost_[RowStart(n, a)]; }
  // Blocks that no better plan can have: their cost is kNever from the next Compute on.
  void Drop(int n, int a, int k);
  int64_t alive() const { return alive_count_; }

 private:
  size_t RowSize(int n) const { return static_cast<size_t>(cells_.Longest(n)) + 1; }
  size_t RowStart(int n, int a) const {
    return row_[static_cast<size_t>(n)] + RowSize(n) * static_cast<size_t>(a);
  }
  void ComputeRow(int n, int a);

  const BlockInstance& in_;
  double mu_ = 0;
  std::vector<size_t> row_;  // [n] where its rows begin
  std::vector<double> cost_;
  std::vector<char> alive_;  // as cost_
  std::vector<int> reach_;   // [n][units] longest block that is alive
  int64_t alive_count_ = 0;
  std::vector<int> slack_cells_;  // as cost_
  PricedCells cells_;
};

// One choice of types for a block, by what it costs and loses.
struct BlockPoint {
  double cost = 0, loss = 0;
};

struct BlockQuery {
  int server = 0, first = 0, length = 0;
  double limit = kNever;  // on the priced cost
  size_t most = 1024;     // partial choices kept for each unit
};

// All choices of types for a block with a priced cost (at the price mu on loss) below the limit that no other
// choice beats in cost and loss, by ascending priced cost; exact in bytes and busy time. `rest` is a lower
// bound on the priced cost of any choice that was left out because there were too many (kNever: none was).
struct BlockChoices {
  std::vector<BlockPoint> points;
  double rest = kNever;
};
BlockChoices EnumerateBlock(const BlockInstance& in, double mu, const BlockQuery& query);

// The types (q of the Problem) of a point of the same enumeration.
std::vector<int> TypesOfChoice(const BlockInstance& in, double mu, const BlockQuery& query,
                               const BlockPoint& point);

}  // namespace dilemma
