// Plans that keep their budget in truth. Losses of units add only roughly, below some 3.5 bits least of all,
// so a plan is measured, and the problem solved again with the budget that the measurement asks of the
// estimate; a plan that loses too much is first mended where it is, by larger types for the units where that
// is cheapest.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "plan/quality_check.h"
#include "planner/problem.h"
#include "planner/solver.h"

namespace dilemma {

// The true loss of an assignment, in the unit of the problem's losses.
using MeasureLoss = std::function<absl::StatusOr<double>(const Assignment&)>;
using SolveProblem = std::function<absl::StatusOr<SolveResult>(const Problem&, const Assignment& start)>;
// After every measurement: rounds done, and at most.
using RoundDone = std::function<void(int done, int most, const CheckRound&)>;

struct MeasuredBudgetOptions {
  int rounds = 4;       // solves; each is followed by at most two measurements
  double close = 0.03;  // a plan that leaves no more of the budget than this share is good enough
};

struct MeasuredPlan {
  SolveResult result;      // of the fastest plan that keeps the budget; without an assignment where none does
  double budget = kNever;  // on the estimate, in the problem that `result` belongs to
  std::vector<CheckRound> rounds;  // in order; `kept` marks that plan's
};

// problem.loss_budget is the limit on the measured loss. Where the first solve has no assignment it is
// returned as it is, without rounds. Where no plan tried keeps the budget, `result` has no assignment and
// says so. Measurements of the same types are not repeated. Errors are those of `solve` and `measure`.
absl::StatusOr<MeasuredPlan> SolveWithinMeasured(const Problem& problem, const SolveProblem& solve,
                                                 const MeasureLoss& measure,
                                                 const MeasuredBudgetOptions& options,
                                                 const RoundDone& done = nullptr);

// Gives units larger types, each the one that lowers the estimate most for the objective it costs, until the
// estimate is at most `wanted`; servers stay. Empty where the limits leave no room for it.
Assignment LowerLoss(const Problem& problem, Assignment assignment, double wanted);

}  // namespace dilemma
