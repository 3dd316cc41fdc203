// Lagrangian decomposition over models for fleets whose models can each be solved on all servers: prices by
// column generation, joint plans from the columns, by insertion at the prices and by local search; branch and
// bound over "unit u of model k is on server n" where a gap is left.
#pragma once

#include "fleet/fleet_solver.h"

namespace dilemma {

// At most `nodes` are opened after the root.
FleetResult SolveFleetByPrices(const Fleet& fleet, const SolveOptions& options, int nodes);

}  // namespace dilemma
