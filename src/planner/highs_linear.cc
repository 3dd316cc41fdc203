#include "planner/highs_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "Highs.h"

namespace dilemma {
namespace {

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
  if (std::find(model.integer.begin(), model.integer.end(), 1) == model.integer.end()) return lp;
  for (const char integer : model.integer)
    lp.integrality_.push_back(integer ? HighsVarType::kInteger : HighsVarType::kContinuous);
  return lp;
}

void Configure(Highs& highs, const LinearOptions& options) {
  highs.setOptionValue("output_flag", false);
  highs.setOptionValue("threads", 1);
  highs.setOptionValue("random_seed", static_cast<HighsInt>(options.seed % 1000000));
  highs.setOptionValue("time_limit", options.time_limit_s);
  highs.setOptionValue("mip_rel_gap", options.gap);
  highs.setOptionValue("mip_abs_gap", 0.0);
  highs.setOptionValue("mip_feasibility_tolerance", kHighsTolerance);
  highs.setOptionValue("primal_feasibility_tolerance", kHighsTolerance);
  highs.setOptionValue("dual_feasibility_tolerance", kHighsTolerance);
}

void SetCallback(Highs& highs, const LinearOptions& options) {
  highs.setCallback([&](int type, const std::string&, const HighsCallbackOutput* out, HighsCallbackInput* in,
                        void*) {
    if (type == kCallbackMipInterrupt || type == kCallbackSimplexInterrupt) {
      if (in != nullptr && options.stop && options.stop()) in->user_interrupt = 1;
    } else if (type == kCallbackMipLogging && options.progress) {
      const double none = std::numeric_limits<double>::infinity();
      options.progress(out->mip_primal_bound < kHighsInf ? out->mip_primal_bound : none, out->mip_dual_bound);
    }
  });
  highs.startCallback(kCallbackMipInterrupt);
  highs.startCallback(kCallbackSimplexInterrupt);
  highs.startCallback(kCallbackMipLogging);
}

}  // namespace

LinearResult SolveLinear(const LinearModel& model, const LinearOptions& options) {
  LinearResult result;
  result.bound = -std::numeric_limits<double>::infinity();
  Highs highs;
  Configure(highs, options);
  SetCallback(highs, options);
  if (highs.passModel(ToHighs(model)) == HighsStatus::kError) {
    result.reason = "HiGHS refused the model";
    return result;
  }
  if (!options.start.empty()) {
    HighsSolution start;
    start.col_value = options.start;
    highs.setSolution(start);
  }
  highs.run();
  const HighsModelStatus status = highs.getModelStatus();
  const HighsInfo& info = highs.getInfo();
  result.infeasible =
      status == HighsModelStatus::kInfeasible || status == HighsModelStatus::kUnboundedOrInfeasible;
  if (result.infeasible) return result;
  result.optimal = status == HighsModelStatus::kOptimal;
  if (!result.optimal) result.reason = "stopped: " + highs.modelStatusToString(status);
  const bool integer = highs.getLp().isMip();
  if (integer && std::isfinite(info.mip_dual_bound)) result.bound = info.mip_dual_bound;
  if (info.primal_solution_status != kSolutionStatusFeasible) return result;
  result.values = highs.getSolution().col_value;
  if (!integer && result.optimal) {
    result.bound = info.objective_function_value;
    result.row_dual = highs.getSolution().row_dual;
  }
  return result;
}

}  // namespace dilemma
