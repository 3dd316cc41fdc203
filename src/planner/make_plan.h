// Between the planner's Assignment and the Plan that the rest of the program reads.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "plan/plan.h"
#include "planner/problem.h"
#include "planner/solver.h"
#include "quality/quality.h"

namespace dilemma {

struct PlanContext {
  std::string model_name, model_path, model_sha256, arch;
  std::string cluster;
  Workload workload;
  LossKind loss_kind = LossKind::kWeight;
  int64_t fp32_bytes = 0;  // of the model
};

// The plan of a result that has an assignment, with its predictions and the limits that bind. Re-validated:
// kInternal where the assignment breaks a limit (a bug of the solver), kFailedPrecondition with the reason
// where the result has no assignment.
absl::StatusOr<Plan> MakePlan(const Problem& problem, const SolveResult& result, const PlanContext& context);

// The assignment that a plan stands for; kInvalidArgument where the plan names a server or a type that the
// problem does not have, or has another number of units.
absl::StatusOr<Assignment> AssignmentOf(const Plan& plan, const Problem& problem);

}  // namespace dilemma
