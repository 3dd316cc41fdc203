// Baselines that split the units by a rule, at each uniform type. Used by baselines.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/problem.h"

namespace dilemma {

// One candidate of a rule: complete, though it may break limits.
std::vector<Assignment> EvenSplits(const Problem& problem);
std::vector<Assignment> MemoryProportionalSplits(const Problem& problem);
std::vector<Assignment> GreedyMemorySplits(const Problem& problem);
std::vector<Assignment> EdgeShardPlans(const Problem& problem);

}  // namespace dilemma
