// What people do today, on the same cost model and validated the same way.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/problem.h"
#include "planner/solver.h"

namespace dilemma {

struct Baseline {
  std::string_view name;     // "even-split"
  std::string_view summary;  // one line for tables and --help
};

// even-split            equal numbers of units to the servers in their order, highest uniform type that fits
// memory-proportional   units in proportion to memory (llama.cpp, exo), highest uniform type that fits
// greedy-memory         largest memory first, filled until full, highest uniform type that fits
// edgeshard             EdgeShard's dynamic program (arXiv 2405.14371) at each uniform type; the best one
// place-then-quantize   placement for the smallest type first, then the best types for it
// quantize-then-place   best types for the total memory first, then the best placement of those
// halda-like            placement by compute and memory alone, links ignored (arXiv 2504.08791)
// llm-pq-like           quality as a soft term, links overlapped with compute (arXiv 2403.01136)
const std::vector<Baseline>& Baselines();

// A uniform type is, per unit, the menu's entry of that index where menus agree, else the unit's nearest by
// bytes. "infeasible" means that the method finds no assignment that keeps every limit of the problem; reason
// says which limit stopped it. Never claims optimality. kInvalidArgument for an unknown name.
absl::StatusOr<SolveResult> RunBaseline(std::string_view name, const Problem& problem,
                                        const SolveOptions& options);

}  // namespace dilemma
