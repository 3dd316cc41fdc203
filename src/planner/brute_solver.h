// Every assignment, one after the other: the yardstick for the other solvers on small problems. Uses
// validate.h alone, so it shares no cost code with them.
#pragma once

#include <memory>

#include "planner/solver.h"

namespace dilemma {

std::unique_ptr<Solver> MakeBruteSolver();

}  // namespace dilemma
