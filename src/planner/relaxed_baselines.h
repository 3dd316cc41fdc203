// Baselines that solve a simpler problem to proof and then pay the real costs. Used by baselines.cc.
#pragma once

#include <vector>

#include "planner/problem.h"
#include "planner/solver.h"

namespace dilemma {

std::vector<Assignment> PlaceThenQuantize(const Problem& problem, const SolveOptions& options);
std::vector<Assignment> QuantizeThenPlace(const Problem& problem, const SolveOptions& options);
std::vector<Assignment> HaldaLike(const Problem& problem, const SolveOptions& options);
std::vector<Assignment> LlmPqLike(const Problem& problem, const SolveOptions& options);

}  // namespace dilemma
