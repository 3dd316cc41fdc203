// Branch and bound on top of the decomposition: a node fixes, for some models, the server of some units; its
// bound is the Lagrangian at its own prices, found by a few rounds of column generation. The best bound goes
// first.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fleet/incumbent.h"
#include "fleet/master.h"
#include "fleet/model_solver.h"

namespace dilemma {

// A Lagrangian bound and what it was made of.
struct Priced {
  double bound = -kNever;  // kNever: some model has no plan
  FleetPrices prices;
  std::vector<double> models;  // [k] bound on the priced cost of the model
};

// Lets through what may be part of a joint plan that costs less than `objective`: plans that cost less than
// the difference to the bound more than the least at its prices.
Master::Keep Promising(const Priced& bound, double objective);

class Branching {
 public:
  // All outlive the object; new plans go to `master`. `penalty`: as in Master::Relax.
  Branching(const Fleet& fleet, const ModelSolver& solver, const std::vector<ModelView>& views,
            Master& master, FleetIncumbent& incumbent, double penalty)
      : fleet_(fleet),
        solver_(solver),
        views_(views),
        master_(master),
        incumbent_(incumbent),
        penalty_(penalty) {}

  // From the root's bound; raises the incumbent's bound and plan until proven, stopped or `nodes` were
  // opened; calls `between` after each.
  void Run(const Priced& root, int nodes, const std::function<void()>& between);

  // Takes the best joint plan of those plans in `master` that may be part of a better one.
  void TryChoice(const Priced& root);

  // Every model at these prices; without bounds of models where it was stopped.
  Priced Price(const std::vector<ModelView>& views, const FleetPrices& prices, const Master::Keep& keep);
  // Column generation on these views until the master is within `converged` of the bound, at most `rounds`;
  // the best bound is left in `best`. Without `keep` it is one of all joint plans.
  void Generate(const std::vector<ModelView>& views, const Master::Keep& keep, int rounds, double converged,
                Priced& best);

 private:
  struct Fixed {
    int model, unit, server;  // the server's number in the fleet
  };
  struct Node {
    Priced priced;
    std::vector<Fixed> fixed;
    int64_t number = 0;
  };
  struct Choice {
    int model = -1, unit = -1;
  };
  Placed PriceModel(int model, const ModelView& view, const FleetPrices& prices, const Master::Keep& keep);
  void Open(Node node);
  Choice MostDivided(const Master::Relaxation& relaxation) const;
  bool Hopeless(double bound) const;
  std::vector<ModelView> ViewsOf(const std::vector<Fixed>& fixed) const;

  const Fleet& fleet_;
  const ModelSolver& solver_;
  const std::vector<ModelView>& views_;
  Master& master_;
  FleetIncumbent& incumbent_;
  const double penalty_;
  std::vector<Node> open_;  // heap, least bound first
  double closed_ = kNever;  // least bound of nodes that cannot be divided
  int64_t numbers_ = 0;
};

}  // namespace dilemma
