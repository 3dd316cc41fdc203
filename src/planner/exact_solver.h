// The own exact method (docs/formulation.md): Lagrangian bounds over blocks, then a label search that proves.
#pragma once

#include <memory>

#include "planner/solver.h"

namespace dilemma {

// `borrow`: where a limit on time leaves the proof open, its last fifth goes to plans of the baselines, which
// may be better than the search's own. False for the baselines themselves and
// for the fleet's many small solves.
std::unique_ptr<Solver> MakeExactSolver(bool borrow = true);

}  // namespace dilemma
