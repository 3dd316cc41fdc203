// What each block of units costs on each server at a price on loss, and which types it takes for that.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/block_instance.h"

namespace dilemma {

// Cost(n, a, k): the least cost + mu * loss of units a .. a+k-1 on n, a multiple-choice knapsack over cells
// (a lower bound; equal to the true optimum where the cells are exact and nobody limits busy time).
class BlockTable {
 public:
  explicit BlockTable(const BlockInstance& instance);
  void Compute(double mu);
  double mu() const { return mu_; }
  double Cost(int n, int a, int k) const { return Row(n, a)[k]; }
  // Costs of the blocks that begin at a, by length; [0] is 0, valid to MaxLength(n, a).
  const double* Row(int n, int a) const { return &cost_[row_[static_cast<size_t>(n)] + RowSize(n) * a]; }
  // Blocks that no better plan can have: their cost is kNever from the next Compute on.
  void Drop(int n, int a, int k);
  int64_t alive() const { return alive_count_; }

 private:
  size_t RowSize(int n) const { return static_cast<size_t>(longest_[static_cast<size_t>(n)]) + 1; }
  void ComputeRow(int n, int a);

  const BlockInstance& in_;
  double mu_ = 0;
  std::vector<int> longest_;  // [n] longest block anywhere
  std::vector<size_t> row_;   // [n] where its rows begin
  std::vector<double> cost_;
  std::vector<char> alive_;  // as cost_
  std::vector<int> reach_;   // [n][units] longest block that is alive
  int64_t alive_count_ = 0;
  std::vector<double> now_, next_;  // scratch: cost by cells that may be used
  std::vector<double> priced_;      // scratch: cost + mu * loss of every item, [u][n] as in the instance
  std::vector<size_t> priced_row_;  // [u * servers + n]
};

// One choice of types for a block, by what it costs and loses.
struct BlockPoint {
  double cost = 0, loss = 0;
};

// All choices for units a .. a+k-1 on n with cost + mu * loss below `limit` that no other choice beats in
// both cost and loss, by ascending cost + mu * loss; exact in bytes and busy time. At most `most` choices are
// kept on the way: `rest` is a lower bound on cost + mu * loss of any choice that was left out (kNever: none
// was).
struct BlockChoices {
  std::vector<BlockPoint> points;
  double rest = kNever;
};
BlockChoices EnumerateBlock(const BlockInstance& in, int n, int a, int k, double mu, double limit,
                            size_t most);

// The types (q of the Problem) of choice number `point` of the same enumeration.
std::vector<int> TypesOfChoice(const BlockInstance& in, int n, int a, int k, double mu, double limit,
                               size_t most, const BlockPoint& point);

}  // namespace dilemma
