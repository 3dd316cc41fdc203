#include "planner/highs_solver.h"

#include <algorithm>
#include <cmath>

#include "Highs.h"
#include "base/clock.h"
#include "base/status.h"
#include "planner/flow_model.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

// The solver accepts a row that is broken by this much of its limit.
constexpr double kTolerance = 1e-9;
constexpr int kTries = 3;

HighsLp ToHighs(const LinearModel& model) {
  HighsLp lp;
  lp.num_col_ = model.columns();
  lp.num_row_ = model.rows();
  lp.col_cost_ = model.cost;
  lp.col_lower_ = model.lower;
  lp.col_upper_ = model.upper;
  lp.row_lower_ = model.row_lower;
  lp.row_upper_ = model.row_upper;
  lp.a_matrix_.format_ = MatrixFormat::kRowwise;
  lp.a_matrix_.start_.assign(model.row_start.begin(), model.row_start.end());
  lp.a_matrix_.index_ = model.entry_column;
  lp.a_matrix_.value_ = model.entry_value;
  for (const char integer : model.integer)
    lp.integrality_.push_back(integer ? HighsVarType::kInteger : HighsVarType::kContinuous);
  return lp;
}

class HighsSolver : public Solver {
 public:
  std::string_view name() const override { return "highs"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    const Stopwatch watch;
    SolveResult result;
    result.method = "highs";
    double bound = 0;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const FlowModel flow(problem, attempt * attempt * 2 * kTolerance);
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
    Highs highs;
    Configure(highs, options, std::max(0.01, options.time_limit_s - watch.Seconds()));
    SetCallback(highs, options, flow, watch);
    if (highs.passModel(ToHighs(flow.model())) == HighsStatus::kError) {
      result.reason = "HiGHS refused the model";
      return true;
    }
    if (!options.start.empty() && Evaluate(problem, options.start).ok()) {
      HighsSolution start;
      start.col_value = flow.Encode(options.start);
      highs.setSolution(start);
    }
    highs.run();
    const HighsModelStatus status = highs.getModelStatus();
    if (status == HighsModelStatus::kInfeasible || status == HighsModelStatus::kUnboundedOrInfeasible) {
      result.status = SolveStatus::kInfeasible;
      result.bound_s = kNever;
      result.reason = "HiGHS proved that no assignment keeps every limit";
      return true;
    }
    if (const double bound = highs.getInfo().mip_dual_bound; std::isfinite(bound))
      result.bound_s = std::max(0.0, flow.ToSeconds(bound));
    if (status != HighsModelStatus::kOptimal) result.reason = "stopped: " + highs.modelStatusToString(status);
    if (highs.getInfo().primal_solution_status != kSolutionStatusFeasible) return true;
    return Take(problem, flow.Decode(highs.getSolution().col_value), result);
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

  static void Configure(Highs& highs, const SolveOptions& options, double time_limit_s) {
    highs.setOptionValue("output_flag", false);
    highs.setOptionValue("threads", 1);
    highs.setOptionValue("random_seed", static_cast<HighsInt>(options.seed % 1000000));
    highs.setOptionValue("time_limit", time_limit_s);
    highs.setOptionValue("mip_rel_gap", options.gap);
    highs.setOptionValue("mip_abs_gap", 0.0);
    highs.setOptionValue("mip_feasibility_tolerance", kTolerance);
    highs.setOptionValue("primal_feasibility_tolerance", kTolerance);
    highs.setOptionValue("dual_feasibility_tolerance", kTolerance);
  }

  static void SetCallback(Highs& highs, const SolveOptions& options, const FlowModel& flow,
                          const Stopwatch& watch) {
    highs.setCallback(
        [&](int type, const std::string&, const HighsCallbackOutput* out, HighsCallbackInput* in, void*) {
          if (type == kCallbackMipInterrupt || type == kCallbackSimplexInterrupt) {
            if (in != nullptr && options.stop && options.stop()) in->user_interrupt = 1;
          } else if (type == kCallbackMipLogging && options.progress) {
            SolveProgress progress;
            progress.seconds = watch.Seconds();
            if (out->mip_primal_bound < kHighsInf)
              progress.objective_s = flow.ToSeconds(out->mip_primal_bound);
            progress.bound_s = std::max(0.0, flow.ToSeconds(out->mip_dual_bound));
            if (std::isfinite(progress.objective_s) && progress.objective_s > 0)
              progress.gap = (progress.objective_s - progress.bound_s) / progress.objective_s;
            options.progress(progress);
          }
        });
    highs.startCallback(kCallbackMipInterrupt);
    highs.startCallback(kCallbackSimplexInterrupt);
    highs.startCallback(kCallbackMipLogging);
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
