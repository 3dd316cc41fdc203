#include "reproduction/solver_time.h"

#include <cmath>

#include "base/status.h"
#include "comparison/cbc_solver.h"
#include "comparison/edge_instances.h"
#include "planner/solver.h"

namespace dilemma {
namespace {

SolverRun Take(const SolveResult& result) {
  SolverRun run;
  run.status = Name(result.status);
  run.seconds = result.seconds;
  run.bound_s = std::isfinite(result.bound_s) ? result.bound_s : 0;
  if (!result.HasAssignment()) return run;
  run.objective_s = result.objective_s;
  run.gap = result.gap;
  return run;
}

// A plan cannot be better than a valid bound of the same problem.
absl::Status CheckAgreement(const SolverComparison& c, double gap) {
  const auto below = [gap](const SolverRun& plan, const SolverRun& bound) {
    return plan.HasPlan() && plan.objective_s < bound.bound_s * (1 - 2 * gap);
  };
  const bool one_impossible = (c.ours.status == "infeasible" && c.cbc.HasPlan()) ||
                              (c.cbc.status == "infeasible" && c.ours.HasPlan());
  if (!one_impossible && !below(c.ours, c.cbc) && !below(c.cbc, c.ours)) return absl::OkStatus();
  return Internal(
      "problem {}: the solvers disagree (own method: {}, {} s, bound {} s; CBC: {}, {} s, bound {} s)",
      c.name, c.ours.status, c.ours.objective_s, c.ours.bound_s, c.cbc.status, c.cbc.objective_s,
      c.cbc.bound_s);
}

}  // namespace

absl::StatusOr<std::vector<SolverCase>> SolverCases(const Problem& study, const SolverTimeOptions& options) {
  struct Size {
    int layers, servers;
  };
  const std::vector<Size> sizes =
      options.tiny ? std::vector<Size>{{6, 3}} : std::vector<Size>{{6, 3}, {12, 3}, {24, 3}, {24, 5}};
  std::vector<SolverCase> cases;
  for (const Size size : sizes) {
    EdgeShape shape;
    shape.layers = size.layers;
    shape.servers = size.servers;
    cases.push_back({fmt::format("{} x {} x {}", size.layers, size.servers, shape.bits.size()),
                     EdgeProblem(shape, /*seed=*/1)});
  }
  if (!options.tiny)
    cases.push_back({fmt::format("study, {} x {} x {}", study.units, study.servers, study.types), study});
  return cases;
}

absl::StatusOr<SolverComparison> CompareSolvers(const SolverCase& solver_case,
                                                const SolverTimeOptions& options,
                                                const StudyControl& control) {
  const Problem& problem = solver_case.problem;
  SolverComparison out;
  out.name = solver_case.name;
  out.units = problem.units;
  out.servers = problem.servers;
  out.types = problem.types;
  SolveOptions solve;
  solve.time_limit_s = options.time_limit_s;
  solve.gap = options.gap;
  solve.stop = control.stop;
  ASSIGN_OR_RETURN(const auto own, MakeSolver(kDefaultSolver));
  out.ours = Take(own->Solve(problem, solve));
  if (control.stop && control.stop()) return absl::CancelledError("interrupted");
  out.cbc = Take(MakeCbcSolver()->Solve(problem, solve));
  if (control.stop && control.stop()) return absl::CancelledError("interrupted");
  RETURN_IF_ERROR(CheckAgreement(out, options.gap));
  return out;
}

}  // namespace dilemma
