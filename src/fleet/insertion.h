// Joint plans by putting models in one after the other, and by taking some out and putting them in again.
#pragma once

#include <functional>
#include <vector>

#include "fleet/incumbent.h"
#include "fleet/model_solver.h"

namespace dilemma {

class Insertion {
 public:
  // All outlive the object. `views`: by model; `gap`: of the single solves.
  Insertion(const Fleet& fleet, const std::vector<ModelView>& views, const ModelSolver& solver,
            FleetIncumbent& incumbent, double gap)
      : fleet_(fleet), views_(views), solver_(solver), incumbent_(incumbent), gap_(gap) {}

  // Gets every plan of a model that is met.
  void SetMet(std::function<void(int model, const Placed&)> met) { met_ = std::move(met); }
  // Models in this order, each at the prices in what the others left; then each again without prices. One
  // that finds no room goes to the front and all begin again, at most `tries` times. Whether a joint plan was
  // found.
  bool Fill(std::vector<int> order, const FleetPrices& prices, int tries);
  // From the best joint plan so far: each model again within what the others leave, and pairs that share
  // servers in both orders, until nothing improves or `rounds` are over.
  void Improve(const FleetPrices& prices, int rounds);
  // Takes the plan, and what it becomes when each model is planned again in turn until nothing improves.
  void Polish(const JointAssignment& plan);

 private:
  bool FillOnce(const std::vector<int>& order, const FleetPrices& prices, std::vector<Placed>& placed,
                int& failed);
  bool Again(std::vector<Placed>& placed);  // each model without prices
  bool Pair(std::vector<Placed>& placed, int a, int b, const FleetPrices& prices);
  Placed Solve(int model, const Room& room, const FleetPrices& prices, const Assignment& start);
  void Settle(std::vector<Placed> placed);  // takes it, and what becomes of it

  const Fleet& fleet_;
  const std::vector<ModelView>& views_;
  const ModelSolver& solver_;
  FleetIncumbent& incumbent_;
  const double gap_;
  std::function<void(int, const Placed&)> met_;
};

}  // namespace dilemma
