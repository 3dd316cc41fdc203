// One model of a fleet within what is left of the servers, at prices: a Problem of the planner, solved by its
// exact method.
#pragma once

#include <vector>

#include "base/clock.h"
#include "fleet/fleet.h"
#include "fleet/fleet_validate.h"
#include "fleet/limits.h"
#include "planner/solver.h"

namespace dilemma {

// A model over the servers that are looked at for it, ascending.
struct ModelView {
  std::vector<int> servers;
  Problem problem;
};
ModelView ViewOf(const Fleet& fleet, int model, std::vector<int> servers);

struct Placed {
  Assignment assignment;  // servers of the fleet; empty where there is none
  std::vector<ServerUse> use;
  double cost = kNever;    // weight times the model's own objective
  double priced = kNever;  // with what its use costs at the prices
  double bound = 0;        // of `priced`, over the servers of the view; kNever where infeasible
  bool found() const { return !assignment.empty(); }
};

JointAssignment PlanOf(const std::vector<Placed>& placed);
Room RoomOf(const Fleet& fleet, const std::vector<Placed>& placed);  // what they leave

// A better plan than the start in little work, a good plan, or a proof within the gap.
enum class Effort { kLittle, kPlan, kProof };

class ModelSolver {
 public:
  ModelSolver(const Fleet& fleet, const SolveOptions& options) : fleet_(fleet), options_(options) {}

  // `room` null: all of the fleet's. `start` may be empty, and may break limits.
  Placed Solve(int model, const ModelView& view, const Room* room, const FleetPrices& prices, double gap,
               Effort effort, const Assignment& start) const;
  // `assignment` as a Placed of the model at these prices, without a bound.
  Placed At(int model, const Assignment& assignment, const FleetPrices& prices) const;
  std::vector<Placed> At(const JointAssignment& plan) const;  // without prices

 private:
  double SecondsLeft() const { return options_.time_limit_s - watch_.Seconds(); }
  const Fleet& fleet_;
  const SolveOptions& options_;
  const Stopwatch watch_;
};

}  // namespace dilemma
