// Local search over the order in which servers are visited: for a fixed order, which servers take part and
// where the units are cut is a shortest path (each server at most once by construction).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/ng_paths.h"

namespace dilemma {

class OrderSearch {
 public:
  OrderSearch(const BlockInstance& instance, const BlockTable& table) : in_(instance), table_(table) {}

  // Least priced cost over paths that visit servers in this order (any may be left out); kNever: none fits.
  double Cost(const std::vector<int>& order);
  std::vector<Block> Path(const std::vector<int>& order);  // of that cost; empty where none fits
  // Improves the order by moving, swapping and reversing, at most `most` evaluations, then random kicks.
  // `stop` is polled.
  double Improve(std::vector<int>& order, int most, uint64_t seed, const std::function<bool()>& stop);
  int evaluations() const { return evaluations_; }

 private:
  bool Sweep(std::vector<int>& order, double& cost, int most);

  const BlockInstance& in_;
  const BlockTable& table_;
  int evaluations_ = 0;
  std::vector<double> begin_,
      after_;  // [l][position]: begin a block there at l; rest after a block that ends at l
};

// The servers of a path in order of their first visit, then the others.
std::vector<int> OrderOf(const std::vector<Block>& path, int servers);

}  // namespace dilemma
