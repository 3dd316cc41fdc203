// Ways to plan several models that share their servers: minimise sum_k w[k] * objective of model k under the
// shared limits and every model's own. docs/formulation.md, "Several models".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fleet/fleet.h"
#include "fleet/fleet_validate.h"
#include "planner/solver.h"

namespace dilemma {

struct FleetResult {
  SolveStatus status = SolveStatus::kUnknown;
  JointAssignment plan;  // one a model; empty where there is none
  double objective_s = kNever;
  double bound_s = 0;  // no joint plan over all servers is better; kNever where infeasible
  double gap = 1;      // (objective - bound) / objective
  double seconds = 0;
  std::string method;
  std::string reason;  // why infeasible, or why it stopped
  bool HasPlan() const { return !plan.empty(); }
};

// "decomposition" (the default), "highs" (one program of all models), "sequential" (models one after the
// other: no bound but that of every model alone). Of the options `start` is not used: a joint plan to begin
// from would be several. Deterministic unless a limit of time or `stop` ended the work; every plan has passed
// EvaluateFleet. kInvalidArgument lists the names.
absl::StatusOr<FleetResult> SolveFleet(const Fleet& fleet, std::string_view method,
                                       const SolveOptions& options);
std::vector<std::string_view> FleetMethods();
inline constexpr std::string_view kDefaultFleetMethod = "decomposition";

}  // namespace dilemma
