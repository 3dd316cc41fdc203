// The own exact method (docs/formulation.md): Lagrangian bounds over blocks, then a label search that proves.
#pragma once

#include <memory>

#include "planner/solver.h"

namespace dilemma {

std::unique_ptr<Solver> MakeExactSolver();

}  // namespace dilemma
