// The exact method for any assignment (a server may hold several blocks), latency objective.
#pragma once

#include "planner/solver.h"

namespace dilemma {

// Whether the problem has only limits that the method knows: not disk, busy time or a number of servers.
bool AnySolverKnows(const Problem& problem);
SolveResult SolveAny(const Problem& problem, const SolveOptions& options);

}  // namespace dilemma
