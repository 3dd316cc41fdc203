// The curve of delay against quality: the same problem solved at several loss budgets, and what people do
// today beside it (planner/baselines.h).
#pragma once

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "planner/problem.h"
#include "planner/solver.h"
#include "report/report_data.h"

namespace dilemma {

struct TradeOffOptions {
  int points = 9;            // of the curve, at least 2; the ends are the fastest plan and the best one
  double time_limit_s = 20;  // of each solve; a point that runs into it keeps its gap
  double gap = 1e-4;         // relative gap at which a point counts as optimal
  std::string_view solver = kDefaultSolver;
  bool others = true;  // baselines as well
  // Called between solves; false stops (kCancelled).
  std::function<bool(double fraction, std::string_view what)> progress;
  std::function<bool()>
      stop;  // polled during solves; true ends one soon (progress then says whether to go on)
};

// `here` is an assignment of the problem, the plan that the curve is drawn for; it may break the problem's
// loss budget (the curve has its own) but no other limit: kFailedPrecondition says which it breaks. Budgets
// are spaced evenly in the logarithm between the least loss that a plan can have and that of the fastest
// plan.
absl::StatusOr<TradeOff> ComputeTradeOff(const Problem& problem, const Assignment& here,
                                         const TradeOffOptions& options);

}  // namespace dilemma
