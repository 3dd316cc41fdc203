// How `plan` is told what a model may lose: budgets, and the check of a plan on text.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "budget/plan_meter.h"
#include "cli/command.h"
#include "plan/plan.h"
#include "planner/build_problem.h"
#include "planner/solver.h"
#include "quantizer/importance.h"
#include "study/plan_inputs.h"

namespace dilemma::cli {

struct BudgetOptions {
  double max_loss = -1, max_kl = -1, max_loss_increase = -1,
         size_ratio = -1;  // the last two per cent; < 0: not given
  std::string as_good_as = "q4_0";
  std::string check_text, check_part = "all";
  WindowOptions windows{.window = 512, .count = 8};
  int rounds = 4;
  CLI::App* command = nullptr;  // to see what was given

  bool Given() const;       // any limit on loss or size
  bool LimitsLoss() const;  // rather than size alone
};
void AddBudgetOptions(CLI::App* command, BudgetOptions& options);

// Reads the text and writes the teacher; null where there is no --check-text. Students are rounded by
// `importance`, as `quantize` will.
absl::StatusOr<std::unique_ptr<PlanMeter>> MakeMeter(const BudgetOptions& options, const ModelInfo& model,
                                                     Importance importance);

// The limits on loss and size. `meter` may be null; --max-loss-increase asks it for the teacher's loss.
absl::Status ApplyBudget(const BudgetOptions& options, const ModelInfo& model, const QualityTable& quality,
                         PlanMeter* meter, PlanLimits& limits);

struct CheckedPlan {
  SolveResult result;
  Problem problem;  // with the budget on the estimate that `result` keeps
  std::optional<QualityCheck> check;
};
// Solves; where there is a meter the plan is measured, and where the quality table is a measured one and a
// limit on loss was given, repaired until it keeps that in truth (budget/measured_budget.h).
absl::StatusOr<CheckedPlan> SolveChecked(const BudgetOptions& options, const PlanInputs& in,
                                         const Problem& problem, PlanMeter* meter, const std::string& method,
                                         double time_limit_s, double gap);

// "" where nothing was measured.
std::string RenderCheck(const Plan& plan);

}  // namespace dilemma::cli
