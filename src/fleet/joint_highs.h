// All models in one mixed-integer program on HiGHS: the flow formulation of each, side by side, and one row
// for each shared limit. For fleets of a few small models, and to check the other methods.
#pragma once

#include "fleet/fleet_solver.h"

namespace dilemma {

// `start`: a known joint plan; may be empty.
FleetResult SolveFleetHighs(const Fleet& fleet, const SolveOptions& options, const JointAssignment& start);

}  // namespace dilemma
