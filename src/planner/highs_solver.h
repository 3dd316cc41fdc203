// HiGHS (MIT) on the flow formulation.
#pragma once

#include <memory>

#include "planner/solver.h"

namespace dilemma {

std::unique_ptr<Solver> MakeHighsSolver();

}  // namespace dilemma
