// Joint plans on many servers: models go in one after the other, each on a cheap path of its wide relaxation
// within what the others left; then each again, by the planner's exact method on the servers that the
// relaxation picks.
#pragma once

#include <vector>

#include "fleet/incumbent.h"
#include "fleet/model_solver.h"
#include "fleet/wide_prices.h"

namespace dilemma {

class WideInsertion {
 public:
  // All outlive the object.
  WideInsertion(const Fleet& fleet, const SolveOptions& options, std::vector<WideModel>& models,
                const WidePrices& prices, FleetIncumbent& incumbent);

  // A new joint plan at the prices. A model that finds no room goes to the front and all begin again, at most
  // once for each model.
  void Fill();
  // From the best joint plan: each model again within what the others leave, over and over until no change
  // is worth it.
  void Improve();

 private:
  bool FillOnce(std::vector<Placed>& placed, int& failed);
  double Sweep(std::vector<Placed>& placed);  // what it gained
  // The cheapest path with each server once for which types fit; not found where the few prices of loss that
  // are tried give none.
  Placed Quick(int model, const Room& room, const FleetPrices& prices);
  // On few servers: those of `start` and the best others.
  Placed Exact(int model, const Room& room, const FleetPrices& prices, const Assignment& start);
  std::vector<int> Servers(int model, const Room& room, const FleetPrices& prices, const Assignment& start);
  bool Fits(int model, const Room& room, const Assignment& assignment) const;

  const Fleet& fleet_;
  std::vector<WideModel>& models_;
  const WidePrices& prices_;
  FleetIncumbent& incumbent_;
  const ModelSolver solver_;
  std::vector<int> order_;
};

}  // namespace dilemma
