// Random fleets of the sizes that people have or dream of: servers in sites with good links inside a site and
// worse ones between sites, models of mixed sizes. Deterministic in the seed, on any machine. Memories of all
// servers sum to `memory_factor` times what all models take at 4 bits, and each model's loss budget is
// `loss_factor` of its loss at 4 bits: good servers are wanted by all.
#pragma once

#include <cstdint>

#include "fleet/fleet.h"

namespace dilemma {

struct FleetShape {
  int models = 3, servers = 8;
  int sites = 1;  // 1: every pair of servers has a line of its own, as in a handful of edge servers
  double memory_factor = 1.3, loss_factor = 0.7;
  bool large_models = true;  // models of 60 and 80 layers among them
  bool ring = true;          // the token goes home from the last server to the first
};

// Models make their Problem when asked, over the servers asked for.
Fleet EdgeFleet(const FleetShape& shape, uint64_t seed);

}  // namespace dilemma
