#include "study/trade_off.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "planner/baselines.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

class Curve {
 public:
  Curve(const Problem& problem, const TradeOffOptions& options, std::unique_ptr<Solver> solver)
      : problem_(problem), options_(options), solver_(std::move(solver)) {
    problem_.objective = Objective::kLatency;
    steps_ = options.points + 1 + (options.others ? static_cast<int>(Baselines().size()) : 0);
  }

  absl::StatusOr<TradeOff> Compute(const Assignment& here);

 private:
  bool Report(std::string_view what) {
    return !options_.progress || options_.progress(static_cast<double>(done_++) / steps_, what);
  }
  SolveOptions OptionsFor(double budget) const;
  SolveResult SolveAt(double budget);
  TradeOffPoint PointOf(const SolveResult& result, double budget) const;
  SolveResult LeastLoss();
  absl::Status AddCurve(TradeOff& out);
  absl::Status AddOthers(TradeOff& out);

  Problem problem_;
  const TradeOffOptions& options_;
  std::unique_ptr<Solver> solver_;
  std::vector<Assignment> known_;  // to begin from
  int steps_ = 1, done_ = 0;
};

SolveOptions Curve::OptionsFor(double budget) const {
  SolveOptions options;
  options.time_limit_s = options_.time_limit_s;
  options.stop = options_.stop;
  options.gap = options_.gap;
  // The fastest known plan within the budget.
  double best = kNever;
  for (const Assignment& assignment : known_) {
    const Evaluation e = Evaluate(problem_, assignment);
    if (e.loss <= budget && e.objective_s < best) {
      best = e.objective_s;
      options.start = assignment;
    }
  }
  return options;
}

SolveResult Curve::SolveAt(double budget) {
  problem_.loss_budget = kNever;  // so that Evaluate judges the known plans by their loss alone
  const SolveOptions options = OptionsFor(budget);
  problem_.loss_budget = budget;
  SolveResult result = solver_->Solve(problem_, options);
  if (result.HasAssignment()) known_.push_back(result.assignment);
  return result;
}

TradeOffPoint Curve::PointOf(const SolveResult& result, double budget) const {
  TradeOffPoint point;
  point.status = Name(result.status);
  point.budget = budget;
  if (!result.HasAssignment()) return point;
  const Evaluation e = Evaluate(problem_, result.assignment);
  point.loss = e.loss;
  point.request_s = e.request_s;
  point.decode_s = e.decode_s;
  point.prefill_s = e.prefill_s;
  point.bound_s = result.bound_s;
  point.gap = result.gap;
  point.servers = static_cast<int>(
      std::count_if(e.servers.begin(), e.servers.end(), [](const ServerUse& use) { return use.stages > 0; }));
  return point;
}

// The best quality that fits: the problem with loss in the place of time. Loss is no time, but the solver
// does not mind; every other cost is zero.
SolveResult Curve::LeastLoss() {
  Problem p = problem_;
  p.loss_budget = kNever;
  p.decode_steps = 1;
  p.move_s.clear();
  for (Times* times : {&p.stage, &p.hop, &p.entry, &p.exit, &p.ring}) {
    std::fill(times->prefill_s.begin(), times->prefill_s.end(), 0);
    std::fill(times->decode_s.begin(), times->decode_s.end(), 0);
  }
  for (int u = 0; u < p.units; ++u)
    for (int n = 0; n < p.servers; ++n)
      for (int q = 0; q < p.types; ++q) {
        const size_t at = p.At(u, n, q);
        if (!p.Possible(u, n, q)) continue;
        p.compute.prefill_s[at] = p.loss[p.Uq(u, q)];
        p.compute.decode_s[at] = 0;
      }
  p.busy_limit_s.assign(p.busy_limit_s.size(), kNever);
  p.Fold();
  SolveOptions options;
  options.time_limit_s = options_.time_limit_s;
  options.stop = options_.stop;
  options.gap = options_.gap;
  return solver_->Solve(p, options);
}

absl::Status Curve::AddCurve(TradeOff& out) {
  const auto stopped = [] { return absl::CancelledError("interrupted"); };
  if (!Report("the fastest plan")) return stopped();
  SolveResult fastest = SolveAt(kNever);
  if (!fastest.HasAssignment()) {
    return FailedPrecondition("no plan was found even without a loss budget: {}", fastest.reason);
  }
  if (!Report("the plan of least loss")) return stopped();
  const SolveResult best = LeastLoss();
  problem_.loss_budget = kNever;
  const double most = Evaluate(problem_, fastest.assignment).loss;
  // A little above the least: the very least would be a problem with one solution at a rounding error.
  double least = best.HasAssignment() ? Evaluate(problem_, best.assignment).loss * (1 + 1e-6) : most / 100;
  least = std::clamp(least, most * 1e-4, most);
  if (best.HasAssignment() && Evaluate(problem_, best.assignment).ok()) known_.push_back(best.assignment);
  // Where the fastest plan loses nothing, the curve is that plan.
  const int points = most > 0 ? std::max(2, options_.points) : 1;
  for (int i = 0; i + 1 < points; ++i) {
    const double budget = least * std::pow(most / least, static_cast<double>(i) / (points - 1));
    if (!Report(fmt::format("loss budget {:.4g}", budget))) return stopped();
    const SolveResult result = SolveAt(budget);
    out.curve.push_back(PointOf(result, budget));
  }
  out.curve.push_back(PointOf(fastest, kNever));
  return absl::OkStatus();
}

absl::Status Curve::AddOthers(TradeOff& out) {
  for (const Baseline& baseline : Baselines()) {
    if (!Report(baseline.name)) return absl::CancelledError("interrupted");
    SolveOptions options;
    options.time_limit_s = options_.time_limit_s;
    options.stop = options_.stop;
    // With the plan's loss as its budget where the method can keep it, else wherever the method ends.
    for (const double budget : {out.here.loss, kNever}) {
      problem_.loss_budget = budget;
      ASSIGN_OR_RETURN(const SolveResult result, RunBaseline(baseline.name, problem_, options));
      if (!result.HasAssignment() && budget != kNever) continue;
      TradeOffPoint point = PointOf(result, budget);
      point.name = baseline.name;
      out.others.push_back(std::move(point));
      break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TradeOff> Curve::Compute(const Assignment& here) {
  TradeOff out;
  problem_.loss_budget = kNever;
  const Evaluation evaluation = Evaluate(problem_, here);
  if (!evaluation.ok()) {
    return FailedPrecondition("the plan does not keep the limits of this cluster and profile: {}",
                              evaluation.Text());
  }
  SolveResult result;
  result.assignment = here;
  result.status = SolveStatus::kFeasible;
  out.here = PointOf(result, evaluation.loss);
  known_.push_back(here);
  RETURN_IF_ERROR(AddCurve(out));
  if (options_.others) RETURN_IF_ERROR(AddOthers(out));
  if (options_.progress) options_.progress(1, "done");
  return out;
}

}  // namespace

absl::StatusOr<TradeOff> ComputeTradeOff(const Problem& problem, const Assignment& here,
                                         const TradeOffOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Solver> solver, MakeSolver(options.solver));
  return Curve(problem, options, std::move(solver)).Compute(here);
}

}  // namespace dilemma
