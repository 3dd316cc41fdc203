// Lagrangian lower bound where a server may hold several blocks (docs/formulation.md): a price mu on loss and
// lambda[n] on the memory of each server; every block alone still has to fit. For given prices the rest is a
// shortest path over blocks.
#pragma once

#include <functional>
#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/ng_paths.h"
#include "planner/problem.h"

namespace dilemma {

class AnyBound {
 public:
  // `found` gets the assignments (servers of the instance, types of the Problem) of paths met on the way;
  // they may break limits.
  using Found = std::function<void(const std::vector<int>& servers, const std::vector<int>& types)>;
  AnyBound(const BlockInstance& instance, BlockTable& table, PathEnds ends);

  // Subgradient steps towards `target`, a known or guessed cost. False where there is no path: proven
  // infeasible. `table` is left at the best prices.
  bool Run(int iterations, double target, const Found& found, const std::function<bool()>& stop);

  double bound() const { return bound_; }
  const BlockPrices& prices() const { return prices_; }
  // What the prices take off: mu times the budget and lambda times memory.
  double Constant() const { return ConstantOf(prices_); }
  // Completions at the best prices; valid after Run.
  const NgPaths& paths() const { return paths_; }
  const PathEnds& ends() const { return ends_; }

 private:
  double ConstantOf(const BlockPrices& prices) const;

  const BlockInstance& in_;
  BlockTable& table_;
  PathEnds ends_;
  Neighbourhoods near_;
  NgPaths paths_;
  std::vector<double> no_price_;
  BlockPrices prices_;
  double bound_ = -kNever;
};

}  // namespace dilemma
