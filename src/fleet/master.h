// The master program of the decomposition over models (Dantzig-Wolfe): for each model the plans met so far,
// and prices of the shared limits from their best fractional mix. docs/formulation.md, "Several models".
#pragma once

#include <functional>
#include <vector>

#include "fleet/model_solver.h"
#include "planner/linear_model.h"

namespace dilemma {

// The restricted master: choose one known plan for each model.
class Master {
 public:
  explicit Master(const Fleet& fleet) : fleet_(fleet), columns_(static_cast<size_t>(fleet.size())) {}

  void Add(int model, Placed placed);  // nothing where the same plan is there
  const std::vector<std::vector<Placed>>& columns() const { return columns_; }

  // The linear relaxation over the known plans that `keep` lets through (null: all). A mix that breaks limits
  // pays `penalty` for each whole limit, so there is a solution wherever each model has a plan.
  struct Relaxation {
    bool solved = false;
    double value = 0;
    FleetPrices prices;                       // of the shared limits
    std::vector<std::vector<double>> weight;  // [k][column]
  };
  using Keep = std::function<bool(int model, const Placed&)>;
  Relaxation Relax(double penalty, const Keep& keep = nullptr) const;
  // The best joint choice of the known plans that `keep` lets through; empty where none was found.
  JointAssignment Choose(double time_limit_s, const JointAssignment& start, const std::function<bool()>& stop,
                         const Keep& keep) const;

 private:
  struct Rows {
    LinearModel model;
    std::vector<int> first;               // [k] its first column
    std::vector<int> memory, disk, busy;  // [n] row, -1 where there is none
  };
  Rows Build(bool integer, double penalty, const Keep& keep) const;
  const Fleet& fleet_;
  std::vector<std::vector<Placed>> columns_;
};

}  // namespace dilemma
