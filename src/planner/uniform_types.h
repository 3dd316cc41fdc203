// Uniform types: one index a unit, as people pick them ("everything at Q4_0").
#pragma once

#include <vector>

#include "planner/problem.h"

namespace dilemma {

// One entry per type of the longest menu, by descending total bytes; each entry is a type index per unit. A
// unit without a type of that name gets its own type that is nearest in size relative to its largest.
std::vector<std::vector<int>> UniformTypes(const Problem& problem);

}  // namespace dilemma
