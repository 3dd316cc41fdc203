#include "planner/exact_solver.h"

#include <algorithm>

#include "base/clock.h"
#include "planner/any_solver.h"
#include "planner/highs_solver.h"
#include "planner/one_block_solver.h"
#include "planner/relaxed_baselines.h"
#include "planner/size_solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

// Placements (unit, server, type) up to which the flow formulation can finish what the search left open.
constexpr int kSmallProblem = 1600;

constexpr double kOwnShare = 0.8;    // of a limit on time, where baselines may be asked after
constexpr double kLongest = 600;     // seconds, where there is no limit
constexpr int kBorrowedSolves = 20;  // simpler problems that share the rest

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

// The plan that is best for the latency of one block a server keeps every limit but that on size: a start for
// what the own methods do not know.
Assignment OneBlockStart(const Problem& problem, const SolveOptions& options) {
  Problem p = problem;
  p.objective = Objective::kLatency;
  p.one_block_per_server = true;
  p.size_budget = kNoLimit;
  SolveOptions quick = options;
  quick.progress = nullptr;
  quick.gap = std::max(options.gap, 1e-2);
  quick.time_limit_s = options.time_limit_s / 4;
  return SolveOneBlock(p, quick, /*short_search=*/true).assignment;
}

double ObjectiveOf(const Problem& problem, const Assignment& assignment) {
  if (assignment.empty()) return kNever;
  const Evaluation evaluation = Evaluate(problem, assignment);
  return evaluation.ok() ? evaluation.objective_s : kNever;
}

// Limits on disk, busy time, size or the number of servers where a server may hold several blocks: without
// them the problem is one that the own method knows. Its plan is the answer where it keeps them, its bound
// holds anyway.
SolveResult SolveRelaxed(const Problem& problem, const SolveOptions& options) {
  Problem p = problem;
  p.disk_bytes.assign(p.disk_bytes.size(), kNoLimit);
  p.busy_limit_s.assign(p.busy_limit_s.size(), kNever);
  p.max_servers = 0;
  p.size_budget = kNoLimit;
  SolveOptions some = options;
  some.progress = nullptr;
  some.time_limit_s = options.time_limit_s / 4;
  SolveResult result = SolveAny(p, some);
  if (ObjectiveOf(problem, result.assignment) < kNever || result.status == SolveStatus::kInfeasible)
    return result;
  result.assignment.clear();
  result.objective_s = kNever;
  result.status = SolveStatus::kUnknown;
  return result;
}

// Tight limits on memory and loss at once leave the search with a poor plan at times; simpler problems,
// solved to proof, then lead to a better one.
SolveResult Borrow(const Problem& problem, const SolveOptions& options, double left_s, SolveResult found) {
  SolveOptions simpler = options;
  simpler.progress = nullptr;
  simpler.start.clear();
  simpler.time_limit_s = left_s / kBorrowedSolves;
  for (const auto method : {LlmPqLike, QuantizeThenPlace}) {
    for (Assignment& plan : method(problem, simpler)) {
      const double objective = ObjectiveOf(problem, plan);
      if (objective >= found.objective_s) continue;
      found.objective_s = objective;
      found.assignment = std::move(plan);
    }
  }
  if (!found.HasAssignment()) return found;
  found.bound_s = std::min(found.bound_s, found.objective_s);
  found.gap = found.objective_s > 0 ? 1 - found.bound_s / found.objective_s : 0;
  found.status =
      found.gap <= options.gap * (1 + 1e-6) + 1e-12 ? SolveStatus::kOptimal : SolveStatus::kFeasible;
  return found;
}

// HiGHS on the flow formulation, from the best plan that the own methods know and with their bound.
SolveResult SolveByFlow(const Problem& problem, const SolveOptions& options) {
  const Stopwatch watch;
  SolveResult relaxed;
  if (problem.objective == Objective::kLatency) relaxed = SolveRelaxed(problem, options);
  if (relaxed.status == SolveStatus::kOptimal || relaxed.status == SolveStatus::kInfeasible) return relaxed;
  SolveOptions rest = options;
  for (const Assignment& known : {relaxed.assignment, OneBlockStart(problem, options)})
    if (ObjectiveOf(problem, known) < ObjectiveOf(problem, rest.start)) rest.start = known;
  rest.time_limit_s = std::max(0.01, options.time_limit_s - watch.Seconds());
  SolveResult result = MakeHighsSolver()->Solve(problem, rest);
  result.method = "exact";
  result.seconds = watch.Seconds();
  if (result.status == SolveStatus::kInfeasible) return result;
  const double known = ObjectiveOf(problem, rest.start);
  if (known < result.objective_s) {
    result.assignment = rest.start;
    result.objective_s = known;
  }
  result.bound_s = std::min(std::max(result.bound_s, relaxed.bound_s), result.objective_s);
  if (!result.HasAssignment()) return result;
  result.gap = result.objective_s > 0 ? 1 - result.bound_s / result.objective_s : 0;
  result.status =
      result.gap <= options.gap * (1 + 1e-6) + 1e-9 ? SolveStatus::kOptimal : SolveStatus::kFeasible;
  if (result.status == SolveStatus::kOptimal) result.reason.clear();
  return result;
}

class ExactSolver : public Solver {
 public:
  explicit ExactSolver(bool borrow) : borrow_(borrow) {}
  std::string_view name() const override { return "exact"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    if (problem.objective != Objective::kLatency ||
        !(problem.one_block_per_server || AnySolverKnows(problem)))
      return SolveByFlow(problem, options);
    const Stopwatch watch;
    SolveOptions own = options;
    if (borrow_) own.time_limit_s *= kOwnShare;
    SolveResult result = Finish(
        problem, own,
        problem.size_budget == kNoLimit ? ByBlocks(problem, own) : SolveWithinSize(problem, own, ByBlocks));
    const double left_s = std::min(options.time_limit_s, kLongest) - watch.Seconds();
    const bool open = result.status == SolveStatus::kFeasible || result.status == SolveStatus::kUnknown;
    if (!borrow_ || !open || left_s <= 0 || (options.stop && options.stop())) return result;
    result = Borrow(problem, options, left_s, std::move(result));
    result.seconds = watch.Seconds();
    return result;
  }

 private:
  static SolveResult ByBlocks(const Problem& problem, const SolveOptions& options) {
    return problem.one_block_per_server ? SolveOneBlock(problem, options) : SolveAny(problem, options);
  }
  const bool borrow_;
};

}  // namespace

std::unique_ptr<Solver> MakeExactSolver(bool borrow) { return std::make_unique<ExactSolver>(borrow); }

}  // namespace dilemma
