// Total completion time of a request against the speed of links and of CPUs, for the joint plan and for what
// others do on the same problem. Every plan has passed validate.h, and its loss stands beside its time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/problem.h"

namespace dilemma {

// "ours" and those that it is compared with: baselines (planner/baselines.h), and the integer program with
// F16 as its only type.
struct Method {
  std::string_view name, label;
};
const std::vector<Method>& StudyMethods();

struct MethodResult {
  double at = 0;  // of the axis: Mbit/s, or the factor on CPUs
  std::string method;
  std::string status;  // "optimal", "feasible", or "infeasible" (no plan; the rest is 0)
  std::string reason;  // why there is no plan
  double request_s = 0, decode_s = 0, prefill_s = 0, loss = 0, gap = 0;
  int64_t weight_bytes = 0;
  bool within_budget = true;  // false: no plan of the method keeps the loss budget; this is its fastest
  int servers = 0;
};

struct StudyControl {
  std::function<bool(double fraction, std::string_view what)> progress;  // false stops (kCancelled)
  std::function<bool()> stop;                                            // polled during solves
};

struct CompletionOptions {
  double time_limit_s = 20, gap = 1e-4;  // of each solve
};

// All methods on one problem.
absl::StatusOr<std::vector<MethodResult>> CompareMethods(const Problem& problem, double at,
                                                         const CompletionOptions& options,
                                                         const StudyControl& control);

}  // namespace dilemma
