#include "fleet/incumbent.h"

#include <algorithm>

namespace dilemma {

FleetIncumbent::FleetIncumbent(const Fleet& fleet, const SolveOptions& options, std::string method)
    : fleet_(fleet), options_(options) {
  result_.method = std::move(method);
}

bool FleetIncumbent::Take(const JointAssignment& plan) {
  const FleetEvaluation evaluation = EvaluateFleet(fleet_, plan);
  if (!evaluation.ok() || evaluation.objective_s >= result_.objective_s) return false;
  result_.plan = plan;
  result_.objective_s = evaluation.objective_s;
  Report();
  return true;
}

void FleetIncumbent::Raise(double bound_s) {
  if (bound_s <= result_.bound_s) return;
  result_.bound_s = bound_s;
  Report();
}

bool FleetIncumbent::Proven() const {
  return HasPlan() && result_.bound_s >= result_.objective_s * (1 - options_.gap);
}

bool FleetIncumbent::Stopped() {
  if (!stopped_) stopped_ = SecondsLeft() <= 0 || (options_.stop && options_.stop());
  return stopped_;
}

void FleetIncumbent::Report() const {
  if (!options_.progress) return;
  SolveProgress progress;
  progress.seconds = watch_.Seconds();
  progress.objective_s = result_.objective_s;
  progress.bound_s = std::min(result_.bound_s, result_.objective_s);
  if (HasPlan() && result_.objective_s > 0) progress.gap = 1 - progress.bound_s / result_.objective_s;
  options_.progress(progress);
}

FleetResult FleetIncumbent::Infeasible(std::string reason) {
  FleetResult result;
  result.status = SolveStatus::kInfeasible;
  result.method = result_.method;
  result.reason = std::move(reason);
  result.bound_s = kNever;
  result.seconds = watch_.Seconds();
  return result;
}

FleetResult FleetIncumbent::Finish() {
  if (HasPlan()) {
    result_.bound_s = std::min(result_.bound_s, result_.objective_s);
    result_.gap = result_.objective_s > 0 ? 1 - result_.bound_s / result_.objective_s : 0;
    const bool close = result_.gap <= options_.gap * (1 + 1e-6) + 1e-9;
    result_.status = close ? SolveStatus::kOptimal : SolveStatus::kFeasible;
    if (close) result_.reason.clear();
  }
  if (result_.status != SolveStatus::kOptimal && result_.reason.empty())
    result_.reason = stopped_    ? "stopped before the proof was complete"
                     : HasPlan() ? "the search ended before the proof was complete"
                                 : "no joint plan was found";
  result_.seconds = watch_.Seconds();
  return result_;
}

}  // namespace dilemma
