#include "budget/measured_budget.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/status.h"
#include "planner/explain.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kAim = 0.99;  // of what proportion says, so that the next plan is not just above the budget

std::vector<int> TypesOf(const Assignment& assignment) {
  std::vector<int> types;
  for (const Placement& placement : assignment) types.push_back(placement.type);
  return types;
}

bool LossBinds(const Problem& problem, const Assignment& assignment) {
  const auto binding = FindBinding(problem, assignment);
  return std::any_of(binding.begin(), binding.end(),
                     [](const BindingLimit& limit) { return limit.limit == "loss budget"; });
}

class Rounds {
 public:
  Rounds(const Problem& problem, const SolveProblem& solve, const MeasureLoss& measure,
         const MeasuredBudgetOptions& options, const RoundDone& done)
      : problem_(problem),
        target_(problem.loss_budget),
        solve_(solve),
        measure_(measure),
        options_(options),
        done_(done) {}

  absl::StatusOr<MeasuredPlan> Run() {
    double budget = target_;
    for (int round = 0; round < options_.rounds && budget > 0; ++round) {
      problem_.loss_budget = budget;
      ASSIGN_OR_RETURN(const SolveResult solved, solve_(problem_, out_.result.assignment));
      if (!solved.HasAssignment()) {
        if (out_.rounds.empty()) {
          out_.result = solved;
          return std::move(out_);
        }
        low_ = std::max(low_, budget);
      } else {
        ASSIGN_OR_RETURN(const bool good, TryPlan(solved, budget));
        if (good) break;
      }
      if (low_ >= high_ * (1 - options_.close / 2)) break;
      budget = next_ > low_ && next_ < high_ ? next_ : low_ > 0 ? std::sqrt(low_ * high_) : high_ / 2;
      if (!std::isfinite(budget)) break;
    }
    return Finished();
  }

 private:
  // Measures the plan of one solve, mends it where it loses too much, and says what budget to try next.
  // Whether it is good enough.
  absl::StatusOr<bool> TryPlan(const SolveResult& solved, double budget) {
    const double estimate = Evaluate(problem_, solved.assignment).loss;
    ASSIGN_OR_RETURN(const double measured, Measure(solved, budget, "solved"));
    if (measured <= target_) {
      low_ = std::max(low_, budget);
      if (measured >= target_ * (1 - options_.close) || !LossBinds(problem_, solved.assignment)) return true;
    } else {
      high_ = std::min(high_, budget);
      SolveResult mended = solved;
      mended.assignment = LowerLoss(problem_, solved.assignment, estimate * target_ / measured * kAim);
      if (mended.HasAssignment()) {
        mended.objective_s = Evaluate(problem_, mended.assignment).objective_s;
        mended.gap = mended.objective_s > 0 ? 1 - mended.bound_s / mended.objective_s : 0;
        mended.status = SolveStatus::kFeasible;
        mended.reason = "mended after it was measured";
        RETURN_IF_ERROR(Measure(mended, budget, "swapped").status());
      }
    }
    next_ = measured > 0 ? estimate * target_ / measured * kAim : kNever;
    return false;
  }

  absl::StatusOr<double> Measure(const SolveResult& plan, double budget, std::string how) {
    const std::vector<int> types = TypesOf(plan.assignment);
    if (!known_.contains(types)) {
      ASSIGN_OR_RETURN(known_[types], measure_(plan.assignment));
    }
    const double measured = known_[types];
    CheckRound round;
    round.how = std::move(how);
    round.budget = budget;
    round.estimate = Evaluate(problem_, plan.assignment).loss;
    round.measured = measured;
    round.request_s = plan.objective_s;
    if (measured <= target_ && plan.objective_s < best_) {
      best_ = plan.objective_s;
      for (CheckRound& other : out_.rounds) other.kept = false;
      round.kept = true;
      out_.result = plan;
      out_.budget = budget;
    }
    least_ = std::min(least_, measured);
    out_.rounds.push_back(std::move(round));
    if (done_) done_(static_cast<int>(out_.rounds.size()), 2 * options_.rounds, out_.rounds.back());
    return measured;
  }

  MeasuredPlan Finished() {
    if (!out_.result.HasAssignment()) {
      out_.result.reason = fmt::format(
          "no plan kept the budget of {:.4g} when it was measured; {} were tried and the best has {:.4g}: "
          "allow "
          "more, or more rounds",
          target_, out_.rounds.size(), least_);
    }
    return std::move(out_);
  }

  Problem problem_;
  const double target_;
  const SolveProblem& solve_;
  const MeasureLoss& measure_;
  const MeasuredBudgetOptions& options_;
  const RoundDone& done_;
  std::map<std::vector<int>, double> known_;
  double low_ = 0, high_ = kNever;  // budgets on the estimate: kept the true one (or had no plan), broke it
  double next_ = 0, best_ = kNever, least_ = kNever;
  MeasuredPlan out_;
};

}  // namespace

Assignment LowerLoss(const Problem& problem, Assignment assignment, double wanted) {
  Problem p = problem;
  p.loss_budget = kNever;
  Evaluation now = Evaluate(p, assignment);
  while (now.loss > wanted) {
    double best = 0;
    size_t best_unit = 0;
    int best_type = -1;
    for (size_t u = 0; u < assignment.size(); ++u) {
      const int before = assignment[u].type;
      for (int q = 0; q < p.types; ++q) {
        const size_t from = p.Uq(static_cast<int>(u), before), to = p.Uq(static_cast<int>(u), q);
        if (!p.Possible(static_cast<int>(u), assignment[u].server, q) || p.loss[to] >= p.loss[from]) continue;
        assignment[u].type = q;
        const Evaluation then = Evaluate(p, assignment);
        if (!then.ok()) continue;
        const double gain = std::min(p.loss[from] - p.loss[to], now.loss - wanted);
        const double worth = gain / std::max(then.objective_s - now.objective_s, 1e-9 * now.objective_s);
        if (worth > best) best = worth, best_unit = u, best_type = q;
      }
      assignment[u].type = before;
    }
    if (best_type < 0) return {};
    assignment[best_unit].type = best_type;
    now = Evaluate(p, assignment);
  }
  return assignment;
}

absl::StatusOr<MeasuredPlan> SolveWithinMeasured(const Problem& problem, const SolveProblem& solve,
                                                 const MeasureLoss& measure,
                                                 const MeasuredBudgetOptions& options,
                                                 const RoundDone& done) {
  return Rounds(problem, solve, measure, options, done).Run();
}

}  // namespace dilemma
