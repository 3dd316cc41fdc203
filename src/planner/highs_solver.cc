#include "planner/highs_solver.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "planner/flow_model.h"
#include "planner/highs_linear.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr int kTries = 3;

class HighsSolver : public Solver {
 public:
  std::string_view name() const override { return "highs"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    const Stopwatch watch;
    SolveResult result;
    result.method = "highs";
    double bound = 0;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const FlowModel flow(problem, attempt * attempt * 2 * kHighsTolerance);
      if (!flow.complete()) {
        result.status = SolveStatus::kInfeasible;
        result.bound_s = kNever;
        result.reason = "a unit has no server that may hold it";
        break;
      }
      const bool valid = RunOnce(problem, options, watch, flow, result);
      if (attempt > 0) {  // tighter limits: neither its bound nor its infeasibility holds for the problem
        result.bound_s = bound;
        if (result.status == SolveStatus::kInfeasible) result.status = SolveStatus::kUnknown;
      }
      if (valid) break;
      bound = result.bound_s;
    }
    Close(options, result);
    result.seconds = watch.Seconds();
    return result;
  }

 private:
  // False where the solver's answer breaks a limit by its tolerance.
  static bool RunOnce(const Problem& problem, const SolveOptions& options, const Stopwatch& watch,
                      const FlowModel& flow, SolveResult& result) {
    LinearOptions linear;
    linear.time_limit_s = std::max(0.01, options.time_limit_s - watch.Seconds());
    linear.gap = options.gap;
    linear.seed = options.seed;
    linear.stop = options.stop;
    if (options.progress)
      linear.progress = [&](double objective, double bound) {
        Report(options, flow, watch, objective, bound);
      };
    if (!options.start.empty() && Evaluate(problem, options.start).ok())
      linear.start = flow.Encode(options.start);
    const LinearResult solved = SolveLinear(flow.model(), linear);
    if (solved.infeasible) {
      result.status = SolveStatus::kInfeasible;
      result.bound_s = kNever;
      result.reason = "HiGHS proved that no assignment keeps every limit";
      return true;
    }
    if (std::isfinite(solved.bound)) result.bound_s = std::max(0.0, flow.ToSeconds(solved.bound));
    if (!solved.reason.empty()) result.reason = solved.reason;
    if (solved.values.empty()) return true;
    return Take(problem, flow.Decode(solved.values), result);
  }

  static bool Take(const Problem& problem, const std::optional<Assignment>& assignment, SolveResult& result) {
    if (!assignment) return false;
    const Evaluation evaluation = Evaluate(problem, *assignment);
    if (!evaluation.ok()) {
      result.reason = "the answer of HiGHS breaks a limit: " + evaluation.Text();
      return false;
    }
    result.assignment = *assignment;
    result.objective_s = evaluation.objective_s;
    return true;
  }

  static void Report(const SolveOptions& options, const FlowModel& flow, const Stopwatch& watch,
                     double objective, double bound) {
    SolveProgress progress;
    progress.seconds = watch.Seconds();
    progress.objective_s = flow.ToSeconds(objective);
    progress.bound_s = std::max(0.0, flow.ToSeconds(bound));
    if (std::isfinite(progress.objective_s) && progress.objective_s > 0)
      progress.gap = (progress.objective_s - progress.bound_s) / progress.objective_s;
    options.progress(progress);
  }

  static void Close(const SolveOptions& options, SolveResult& result) {
    if (result.status == SolveStatus::kInfeasible) return;
    if (!result.HasAssignment()) {
      result.status = SolveStatus::kUnknown;
      return;
    }
    result.bound_s = std::min(result.bound_s, result.objective_s);
    result.gap = result.objective_s > 0 ? (result.objective_s - result.bound_s) / result.objective_s : 0;
    result.status =
        result.gap <= options.gap * (1 + 1e-6) + 1e-9 ? SolveStatus::kOptimal : SolveStatus::kFeasible;
  }
};

}  // namespace

std::unique_ptr<Solver> MakeHighsSolver() { return std::make_unique<HighsSolver>(); }

}  // namespace dilemma
