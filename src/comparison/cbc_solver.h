// COIN-OR CBC on the paper's product formulation (product_model.h): what the paper's method costs with a free
// solver. For benchmarks and the reproduction of the paper; the planner does not use it.
#pragma once

#include <memory>

#include "planner/solver.h"

namespace dilemma {

// Latency objective only: a throughput problem ends as kUnknown with a reason. Uses time_limit_s and gap; one
// thread; `stop`, `progress` and `start` have no effect. Answers are re-evaluated by validate.h: one that
// breaks a limit by the solver's tolerance is not returned.
std::unique_ptr<Solver> MakeCbcSolver();

}  // namespace dilemma
