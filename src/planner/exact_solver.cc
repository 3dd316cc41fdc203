#include "planner/exact_solver.h"

#include <algorithm>

#include "planner/any_solver.h"
#include "planner/highs_solver.h"
#include "planner/one_block_solver.h"

namespace dilemma {
namespace {

// Placements (unit, server, type) up to which the flow formulation can finish what the search left open.
constexpr int kSmallProblem = 1600;

// The search ends where its widest pass is too narrow: with much memory on one of a few servers, say. Small
// problems are then finished by HiGHS from the plan found. A search that a limit or the caller ended stays.
SolveResult Finish(const Problem& problem, const SolveOptions& options, SolveResult found) {
  const bool open = found.status == SolveStatus::kFeasible || found.status == SolveStatus::kUnknown;
  if (!open || problem.units * problem.servers * problem.types > kSmallProblem) return found;
  if (found.seconds >= options.time_limit_s || (options.stop && options.stop())) return found;
  SolveOptions rest = options;
  rest.time_limit_s = options.time_limit_s - found.seconds;
  rest.start = found.assignment;
  if (options.progress) {
    rest.progress = [&](SolveProgress at) {
      at.seconds += found.seconds;
      at.objective_s = std::min(at.objective_s, found.objective_s);
      at.bound_s = std::max(at.bound_s, found.bound_s);
      at.gap = at.objective_s > 0 && at.objective_s != kNever ? 1 - at.bound_s / at.objective_s : at.gap;
      options.progress(at);
    };
  }
  SolveResult result = MakeHighsSolver()->Solve(problem, rest);
  result.seconds += found.seconds;
  result.method = found.method;
  if (result.status == SolveStatus::kInfeasible) return found.HasAssignment() ? found : result;
  if (found.objective_s < result.objective_s) {
    result.assignment = std::move(found.assignment);
    result.objective_s = found.objective_s;
  }
  result.bound_s = std::min(std::max(result.bound_s, found.bound_s), result.objective_s);
  if (!result.HasAssignment()) return result;
  result.gap = result.objective_s > 0 ? 1 - result.bound_s / result.objective_s : 0;
  result.status =
      result.gap <= options.gap * (1 + 1e-6) + 1e-12 ? SolveStatus::kOptimal : SolveStatus::kFeasible;
  if (result.status == SolveStatus::kOptimal) result.reason.clear();
  return result;
}

class ExactSolver : public Solver {
 public:
  std::string_view name() const override { return "exact"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    if (problem.one_block_per_server && problem.objective == Objective::kLatency)
      return Finish(problem, options, SolveOneBlock(problem, options));
    if (problem.objective == Objective::kLatency && AnySolverKnows(problem))
      return Finish(problem, options, SolveAny(problem, options));
    SolveResult result = MakeHighsSolver()->Solve(problem, options);
    result.method = "exact";
    return result;
  }
};

}  // namespace

std::unique_ptr<Solver> MakeExactSolver() { return std::make_unique<ExactSolver>(); }

}  // namespace dilemma
