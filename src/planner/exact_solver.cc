#include "planner/exact_solver.h"

#include "planner/any_solver.h"
#include "planner/highs_solver.h"
#include "planner/one_block_solver.h"

namespace dilemma {
namespace {

class ExactSolver : public Solver {
 public:
  std::string_view name() const override { return "exact"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    if (problem.one_block_per_server && problem.objective == Objective::kLatency)
      return SolveOneBlock(problem, options);
    if (problem.objective == Objective::kLatency && AnySolverKnows(problem))
      return SolveAny(problem, options);
    SolveResult result = MakeHighsSolver()->Solve(problem, options);
    result.method = "exact";
    return result;
  }
};

}  // namespace

std::unique_ptr<Solver> MakeExactSolver() { return std::make_unique<ExactSolver>(); }

}  // namespace dilemma
