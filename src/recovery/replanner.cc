#include "recovery/replanner.h"

#include <cmath>

#include "base/status.h"
#include "planner/make_plan.h"
#include "study/replan.h"

namespace dilemma {
namespace {

constexpr double kDeadLinkS = 1e4;  // a hop that no plan pays, and if one must, Spares refuses it
constexpr int kBudgetSteps = 5;     // between the budget and the loss of the plan without one

PlanInputs Without(const PlanInputs& inputs, const Outage& outage) {
  PlanInputs left = inputs;
  for (Server& server : left.cluster.servers) {
    if (outage.servers.contains(server.name)) server.forbidden = true;
  }
  for (LinkProfile& link : left.profile.links) {
    if (outage.links.contains({link.from, link.to})) link.latency_s = kDeadLinkS;
  }
  return left;
}

}  // namespace

absl::StatusOr<Plan> Replanner::Solve(const PlanInputs& inputs, const std::function<bool()>& stop) const {
  ASSIGN_OR_RETURN(Problem problem, BuildProblem(inputs));
  ReplanOptions options;
  options.serve_requests = options_.serve_requests;
  options.solve.time_limit_s = options_.time_limit_s;
  options.solve.gap = options_.gap;
  options.solve.stop = stop;
  ASSIGN_OR_RETURN(const Replanned again, Replan(original_, inputs, problem, options));
  if (!again.result.HasAssignment()) {
    return FailedPrecondition(
        "{}", again.result.reason.empty() ? "no plan was found in time" : again.result.reason);
  }
  PlanContext context;
  context.model_name = original_.model_name;
  context.model_path = original_.model_path;
  context.model_sha256 = original_.model_sha256;
  context.arch = original_.arch;
  context.cluster = original_.cluster;
  context.workload = inputs.workload;
  context.loss_kind = inputs.quality.kind;
  ASSIGN_OR_RETURN(Plan plan, MakePlan(problem, again.result, context));
  KeepShards(original_, plan);
  return plan;
}

// Without a budget the fastest plan is found, and with it a budget that holds; between that and the one that
// does not, the smallest is searched for.
absl::StatusOr<Plan> Replanner::SolveOutsideBudget(PlanInputs inputs,
                                                   const std::function<bool()>& stop) const {
  const double budget = std::max(inputs.limits.loss_budget.value_or(0), 1e-9);
  inputs.limits.loss_budget.reset();
  ASSIGN_OR_RETURN(Plan best, Solve(inputs, stop));
  double low = budget;
  for (int step = 0; step < kBudgetSteps && best.loss > low * 1.05; ++step) {
    inputs.limits.loss_budget = std::sqrt(low * best.loss);
    absl::StatusOr<Plan> plan = Solve(inputs, stop);
    if (plan.ok()) {
      best = *std::move(plan);
    } else {
      low = *inputs.limits.loss_budget;
    }
  }
  return best;
}

absl::StatusOr<Plan> Replanner::PlanWithout(const Outage& outage, std::function<bool()> stop) const {
  const PlanInputs left = Without(inputs_, outage);
  absl::StatusOr<Plan> plan = Solve(left, stop);
  if (!plan.ok() && options_.allow_worse && left.limits.loss_budget.has_value()) {
    plan = SolveOutsideBudget(left, stop);
  }
  if (plan.ok() && !outage.Spares(*plan)) {
    return FailedPrecondition("without {} no plan is left that does not use it", outage.ToString());
  }
  if (!plan.ok() && absl::IsFailedPrecondition(plan.status())) {
    return FailedPrecondition("no plan without {}: {}{}", outage.ToString(), Message(plan.status()),
                              options_.allow_worse || !left.limits.loss_budget.has_value()
                                  ? ""
                                  : "; with --allow-worse one outside the loss budget may do");
  }
  return plan;
}

}  // namespace dilemma
