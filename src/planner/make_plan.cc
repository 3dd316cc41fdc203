#include "planner/make_plan.h"

#include <algorithm>

#include "base/status.h"
#include "planner/explain.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

absl::StatusOr<PlanStage> MakeStage(const Problem& p, const Assignment& assignment, const StageUse& use) {
  PlanStage stage;
  stage.server = p.server_names[static_cast<size_t>(use.server)];
  stage.first_unit = use.first_unit;
  stage.last_unit = use.last_unit;
  for (int u = use.first_unit; u <= use.last_unit; ++u) {
    ASSIGN_OR_RETURN(TypeMix mix,
                     TypeMix::Parse(p.type_names[p.Uq(u, assignment[static_cast<size_t>(u)].type)]));
    stage.types.push_back(std::move(mix));
    stage.kv_bytes += p.kv_bytes[static_cast<size_t>(u)];
  }
  stage.weight_bytes = use.weight_bytes;
  stage.buffer_bytes = use.stage_bytes + use.fixed_bytes - stage.kv_bytes;
  stage.decode_s = use.decode_s;
  stage.prefill_s = use.prefill_s;
  stage.hop_decode_s = use.hop_decode_s;
  stage.hop_prefill_s = use.hop_prefill_s;
  return stage;
}

// Of any assignment: a budget that never binds, for problems without one (JSON knows no infinity).
double LargestLoss(const Problem& p) {
  double sum = 0;
  for (int u = 0; u < p.units; ++u) {
    double largest = 0;
    for (int q = 0; q < p.types; ++q)
      if (p.Offered(u, q)) largest = std::max(largest, p.loss[p.Uq(u, q)]);
    sum += largest;
  }
  return sum;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const Problem& problem, const SolveResult& result, const PlanContext& context) {
  if (!result.HasAssignment())
    return FailedPrecondition("{}: {}", Name(result.status),
                              result.reason.empty() ? "no plan" : result.reason);
  const Evaluation evaluation = Evaluate(problem, result.assignment);
  if (!evaluation.ok())
    return Internal("the plan of '{}' breaks a limit: {}", result.method, evaluation.Text());
  Plan plan;
  plan.model_name = context.model_name;
  plan.model_path = context.model_path;
  plan.model_sha256 = context.model_sha256;
  plan.arch = context.arch;
  plan.cluster = context.cluster;
  plan.workload = context.workload;
  plan.fp32_bytes = context.fp32_bytes;
  for (const StageUse& use : evaluation.stages) {
    ASSIGN_OR_RETURN(PlanStage stage, MakeStage(problem, result.assignment, use));
    plan.stages.push_back(std::move(stage));
  }
  plan.predicted.decode_s = evaluation.decode_s;
  plan.predicted.prefill_s = evaluation.prefill_s;
  plan.predicted.request_s = evaluation.request_s;
  plan.predicted.ring_s = evaluation.ring_s;
  plan.loss = evaluation.loss;
  plan.loss_budget = std::min(problem.loss_budget, LargestLoss(problem));
  plan.loss_kind = Name(context.loss_kind);
  plan.method = result.method;
  plan.status = Name(result.status);
  plan.bound_s = result.bound_s;
  plan.gap = result.gap;
  plan.solve_s = result.seconds;
  for (const BindingLimit& limit : FindBinding(problem, result.assignment))
    plan.binding.push_back(limit.text);
  return plan;
}

absl::StatusOr<Assignment> AssignmentOf(const Plan& plan, const Problem& p) {
  RETURN_IF_ERROR(CheckShape(plan, "plan"));
  if (plan.units() != p.units)
    return InvalidArgument("the plan has {} units, the problem has {}", plan.units(), p.units);
  Assignment assignment;
  for (const PlanStage& stage : plan.stages) {
    const auto name = std::find(p.server_names.begin(), p.server_names.end(), stage.server);
    if (name == p.server_names.end())
      return InvalidArgument("the plan names server '{}', which the cluster does not have", stage.server);
    for (int u = stage.first_unit; u <= stage.last_unit; ++u) {
      const std::string mix = stage.types[static_cast<size_t>(u - stage.first_unit)].ToString();
      int type = -1;
      for (int q = 0; q < p.types; ++q)
        if (p.Offered(u, q) && p.type_names[p.Uq(u, q)] == mix) type = q;
      if (type < 0)
        return InvalidArgument("the plan gives {} the type {}, which is not on its menu",
                               p.unit_names[static_cast<size_t>(u)], mix);
      assignment.push_back({static_cast<int>(name - p.server_names.begin()), type});
    }
  }
  return assignment;
}

}  // namespace dilemma
