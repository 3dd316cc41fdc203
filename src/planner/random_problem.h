// Random problems for tests and benchmarks. Deterministic in the seed, on any machine.
#pragma once

#include <cstdint>

#include "planner/problem.h"

namespace dilemma {

struct RandomShape {
  int units = 5, servers = 3, types = 2;
  bool ring = false;
  bool ragged = false;       // some units lack some types
  bool pins = false;         // some units may not be on some servers
  bool stage_costs = false;  // fixed time and memory of each stage
  bool one_block_per_server = true;
  bool busy_limits = false;
  bool disk_limits = false;
  bool size_budget = false;  // on the weights of all units together
  int max_servers = 0;
  double tightness = 1.0;  // memory and loss budget: above 1 more room, below 1 often infeasible
  Objective objective = Objective::kLatency;
};

Problem RandomProblem(const RandomShape& shape, uint64_t seed);

}  // namespace dilemma
