// What the limits of a plan are worth and why servers are left out, by solving the problem again with the
// limit changed or the server forced into the plan: nothing is estimated.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "plan/explanation.h"
#include "planner/problem.h"
#include "planner/solver.h"

namespace dilemma {

// A limit that can be had more of. `with(x)` is the problem with x more units of it; with(kNever) the problem
// without the limit. More must never make a plan worse or impossible.
struct Resource {
  std::string name, unit;
  std::optional<double> used;
  double of = 0;  // in units
  std::function<Problem(double more)> with;
};

// Memory (MiB), disk (MiB) and busy time (ms a token) of each server that may hold something, the loss budget
// (0.01) and the number of servers, where the problem has such a limit.
std::vector<Resource> ResourcesOf(const Problem& problem, const Assignment& assignment);

struct ExplainOptions {
  double time_limit_s = 60;  // for everything; what was not finished then is marked as not proven
  double gap = 1e-6;         // savings below this share of the objective count as none
  std::function<bool()> stop;
  std::function<void(double fraction, std::string_view what)> progress;
};

// `plan` is a result of the problem with an assignment; its own gap counts: nothing is proven from a plan
// that is not. kInvalidArgument where it has no assignment, kCancelled where `stop` said so.
absl::StatusOr<Explanation> ExplainPlan(const Problem& problem, const SolveResult& plan,
                                        const std::vector<Resource>& resources,
                                        const ExplainOptions& options);

}  // namespace dilemma
