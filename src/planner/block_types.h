// Types for blocks that are already placed: the cheapest that keep memory, busy time and the loss budget.
#pragma once

#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/ng_paths.h"

namespace dilemma {

class TypeChooser {
 public:
  TypeChooser(const BlockInstance& instance, const std::vector<Block>& path) : in_(instance), path_(path) {}

  // Bisection on the price of loss, beginning at `mu`; kNever where none was found below `limit`. `types` are
  // the Problem's. Always feasible, not always the best.
  double Choose(double mu, double limit, std::vector<int>& types);
  // What the cheapest types at this price lose.
  double LossAt(double mu) { return At(mu).loss; }

 private:
  struct Chosen {
    double cost = kNever, loss = 0;
    std::vector<int> items;  // [unit]
  };
  Chosen At(double mu);
  void AtBlock(const Block& block, double mu, Chosen& chosen);
  std::vector<int> TypesOf(const Chosen& chosen) const;

  const BlockInstance& in_;
  const std::vector<Block>& path_;
  std::vector<double> value_;  // scratch
  std::vector<signed char> item_;
};

}  // namespace dilemma
