// What a joint plan costs and whether it keeps every limit, its own of each model and the shared ones,
// computed from scratch: shares no code with a solver. Every joint plan that leaves the room has passed here.
#pragma once

#include <string>
#include <vector>

#include "fleet/fleet.h"
#include "planner/validate.h"

namespace dilemma {

using JointAssignment = std::vector<Assignment>;  // one a model; servers are the fleet's

struct FleetEvaluation {
  std::vector<Violation> violations;  // texts name the model where a limit is its own
  // The rest is meaningful where every model's placements exist.
  std::vector<Evaluation> models;  // [k]; servers of stages are the fleet's, `servers` is left empty
  std::vector<ServerUse> servers;  // [n] sums over models
  double objective_s = 0;          // sum of weight times objective
  bool ok() const { return violations.empty(); }
  std::string Text() const;
};

FleetEvaluation EvaluateFleet(const Fleet& fleet, const JointAssignment& plan);
// One model alone: its Evaluation over the servers it uses, in the fleet's numbers (`servers` is by fleet
// server).
Evaluation EvaluateModel(const Fleet& fleet, int model, const Assignment& assignment);

}  // namespace dilemma
