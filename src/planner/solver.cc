#include "planner/solver.h"

#include "base/status.h"
#include "planner/brute_solver.h"
#include "planner/exact_solver.h"
#include "planner/highs_solver.h"

namespace dilemma {

std::string_view Name(SolveStatus status) {
  switch (status) {
    case SolveStatus::kOptimal:
      return "optimal";
    case SolveStatus::kFeasible:
      return "feasible";
    case SolveStatus::kInfeasible:
      return "infeasible";
    case SolveStatus::kUnknown:
      return "unknown";
  }
  return "?";
}

std::vector<std::string_view> SolverNames() { return {"exact", "highs", "brute"}; }

absl::StatusOr<std::unique_ptr<Solver>> MakeSolver(std::string_view name) {
  if (name == "exact") return MakeExactSolver();
  if (name == "highs") return MakeHighsSolver();
  if (name == "brute") return MakeBruteSolver();
  return InvalidArgument("there is no solver '{}': the solvers are {}", name, fmt::join(SolverNames(), ", "));
}

}  // namespace dilemma
