// Models one after the other by the exact method of a single one: the plan that an operator makes by hand.
// The bound is that of every model alone.
#pragma once

#include <vector>

#include "fleet/fleet_solver.h"
#include "fleet/model_solver.h"

namespace dilemma {

FleetResult SolveFleetSequential(const Fleet& fleet, const SolveOptions& options);

// Every model alone on all servers, with a bound. Each is optimal, or has its gap, or has a bound of kNever:
// then no joint plan exists.
std::vector<Placed> SolveAlone(const Fleet& fleet, const std::vector<ModelView>& views,
                               const ModelSolver& solver, double gap, Effort effort);
// Orders to put models in by: those whose plan costs most first, and those that take most memory first.
std::vector<std::vector<int>> InsertionOrders(const std::vector<Placed>& alone);

}  // namespace dilemma
