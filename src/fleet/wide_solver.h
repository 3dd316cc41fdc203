// Fleets of many servers: prices on their memory by a wide relaxation of every model (wide_model.h), then
// joint plans by insertion, where each model is solved on the servers that the relaxation picks for it within
// what is left. The bound is the relaxation's, over all servers.
#pragma once

#include "fleet/fleet_solver.h"

namespace dilemma {

// Models with the latency objective. Disk and busy time are limits of the plans; the bound leaves them out.
FleetResult SolveWideFleet(const Fleet& fleet, const SolveOptions& options);

}  // namespace dilemma
