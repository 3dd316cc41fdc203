// The exact method for one block of units per server and the latency objective.
#pragma once

#include "planner/solver.h"

namespace dilemma {

SolveResult SolveOneBlock(const Problem& problem, const SolveOptions& options);

}  // namespace dilemma
