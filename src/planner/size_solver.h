// A limit on the size of all weights together, for methods that know no such limit: it gets a price (Lagrange
// multiplier), which is the slope between the plan that is too large and the one that is not, until no price
// gives a better bound (G. Handler and I. Zang, 1980).
#pragma once

#include <functional>

#include "planner/solver.h"

namespace dilemma {

using SolveMethod = std::function<SolveResult(const Problem&, const SolveOptions&)>;

// `method` solves problems of the latency objective without size_budget. The bound is valid; what remains
// between it and the plan is the gap of the relaxation, mostly less than one unit's step to its next type.
SolveResult SolveWithinSize(const Problem& problem, const SolveOptions& options, const SolveMethod& method);

}  // namespace dilemma
