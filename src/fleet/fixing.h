// Joint plans around one plan of one model: it is fixed, and the others are planned together in what it
// leaves, at prices of their own. Every joint plan better than the best one has only plans that cost little
// more at the root's prices than the least there; those that cost least are fixed first.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "fleet/branching.h"
#include "fleet/incumbent.h"
#include "fleet/insertion.h"
#include "fleet/master.h"
#include "fleet/model_solver.h"

namespace dilemma {

class Fixing {
 public:
  // All outlive the object. Plans to fix come from `master`, plans met go there. `penalty`: as in
  // Master::Relax.
  Fixing(const Fleet& fleet, const SolveOptions& options, const std::vector<ModelView>& views,
         const ModelSolver& solver, Master& master, FleetIncumbent& incumbent, Insertion& insertion,
         const Priced& root, double penalty)
      : fleet_(fleet),
        options_(options),
        views_(views),
        solver_(solver),
        master_(master),
        incumbent_(incumbent),
        insertion_(insertion),
        root_(root),
        penalty_(penalty) {}

  // Fixes a plan of the best joint plan that was not fixed yet; false where there is none.
  bool FixOfBest();
  // Such a one, or the cheapest at the root's prices; false where no plan is left that may be part of a
  // better joint plan.
  bool FixNext();

 private:
  using Fixed = std::pair<int, Placed>;
  std::optional<Fixed> OfBest();
  std::optional<Fixed> Cheapest();
  bool Complete(const std::optional<Fixed>& fixed);
  void Complete(int model, const Placed& fixed);

  const Fleet& fleet_;
  const SolveOptions& options_;
  const std::vector<ModelView>& views_;
  const ModelSolver& solver_;
  Master& master_;
  FleetIncumbent& incumbent_;
  Insertion& insertion_;
  const Priced& root_;
  const double penalty_;
  std::vector<std::pair<int, Assignment>> best_;        // plans of best joint plans that were fixed
  std::vector<std::pair<int, std::vector<int>>> done_;  // and the servers of all that were
};

}  // namespace dilemma
