// Lagrangian lower bound where a server may hold several blocks (docs/formulation.md): a price mu on loss and
// lambda[n] on the memory of each server. For given prices the rest is a shortest path over blocks that
// remembers what some servers have used (level_paths.h).
#pragma once

#include <functional>
#include <vector>

#include "planner/block_instance.h"
#include "planner/level_paths.h"
#include "planner/level_table.h"
#include "planner/problem.h"

namespace dilemma {

class AnyBound {
 public:
  // `found` gets the assignments (servers of the instance, types of the Problem) of paths met on the way;
  // they may break limits.
  using Found = std::function<void(const std::vector<int>& servers, const std::vector<int>& types)>;
  AnyBound(const BlockInstance& instance, int levels, PathEnds ends, Found found, std::function<bool()> stop);

  // Where the first Run begins.
  void StartAt(const BlockPrices& prices) { prices_ = prices; }
  // Looks for better prices in so many steps; `gain` is about how much the bound may grow. False where there
  // is no path: proven infeasible.
  bool Run(int iterations, double gain);
  // Servers that the paths of the last Run's best mix used beyond their memory are remembered by others,
  // `most` a server. Whether there were any.
  bool Widen(int most);
  // Solves at the best prices: table() and paths() are valid after that.
  void Settle();

  double bound() const { return bound_; }
  const BlockPrices& prices() const { return prices_; }
  // What the prices take off: mu times the budget and lambda times memory.
  double Constant() const { return ConstantOf(prices_); }
  const LevelTable& table() const { return table_; }
  const LevelMemory& memory() const { return memory_; }
  const LevelPaths& paths() const { return paths_; }
  const PathEnds& ends() const { return ends_; }

 private:
  struct Met {
    std::vector<LevelBlock> path;
    std::vector<char> full;  // [server] it used more than there is
  };
  BlockPrices PricesAt(const std::vector<double>& point) const;
  void UsePath(Met& met, std::vector<double>& slope) const;
  double ConstantOf(const BlockPrices& prices) const;

  const BlockInstance& in_;
  PathEnds ends_;
  Found found_;
  std::function<bool()> stop_;
  LevelTable table_;
  LevelMemory memory_;
  LevelPaths paths_;
  BlockPrices prices_;
  std::vector<Met> met_;  // the paths of the best mix
  double bound_ = -kNever;
};

}  // namespace dilemma
