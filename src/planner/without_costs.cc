#include "planner/without_costs.h"

#include <cmath>

namespace dilemma {

Problem WithoutCosts(const Problem& problem) {
  Problem p = problem;
  p.objective = Objective::kLatency;
  p.decode_steps = 0;
  p.move_s.clear();
  for (Times* times : {&p.stage, &p.hop, &p.entry, &p.exit, &p.ring, &p.link_busy})
    times->prefill_s.assign(times->size(), 0.0);
  for (double& cost : p.compute.prefill_s)
    if (std::isfinite(cost)) cost = 0;
  return p;
}

}  // namespace dilemma
