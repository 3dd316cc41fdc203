// The exact method for one block of units per server and the latency objective.
#pragma once

#include "planner/solver.h"

namespace dilemma {

// With `short_search` it ends before the passes that only prove: for a good plan rather than a proof.
SolveResult SolveOneBlock(const Problem& problem, const SolveOptions& options, bool short_search = false);

}  // namespace dilemma
