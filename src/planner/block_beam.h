// Good plans from good bounds: extends partial paths that use each server at most once, block by block, and
// keeps the `width` best of each unit by the bound of their completion (ng_paths.h). Types are those of the
// block table, so that a path has one cost; it is a plan once its types keep the budget (block_types.h).
#pragma once

#include <cstdint>
#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/ng_paths.h"

namespace dilemma {

struct BeamQuery {
  size_t width = 64;
  double cutoff = kNever;  // on the bound, the prices included
  size_t most = 4;         // paths wanted
};

// The cheapest paths found, best first; `completion` is solved at `price` (of a block on each server) for the
// same table and ends. A ring's way back counts where a path ends.
std::vector<std::vector<Block>> BeamPaths(const BlockInstance& in, const BlockTable& table,
                                          const PathEnds& ends, const std::vector<double>& price,
                                          const Neighbourhoods& near, const NgPaths& completion,
                                          const BeamQuery& query);

}  // namespace dilemma
