// What proving a plan costs: CBC on the paper's product formulation against the planner's own method, on the
// same problems.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/problem.h"
#include "reproduction/completion_time.h"

namespace dilemma {

struct SolverCase {
  std::string name;  // "24 x 3 x 4": units x servers x types
  Problem problem;
};

struct SolverRun {
  std::string status;  // "optimal": proven
  double seconds = 0, objective_s = 0, bound_s = 0, gap = 1;
  bool HasPlan() const { return objective_s > 0; }
};

struct SolverComparison {
  std::string name;
  int units = 0, servers = 0, types = 0;
  SolverRun ours, cbc;
};

struct SolverTimeOptions {
  double time_limit_s = 30;  // of each solve
  double gap = 1e-4;
  bool tiny = false;  // the smallest problems only
};

// Problems of growing size with edge servers as they are drawn by comparison/edge_instances.h, and at the end
// the study's own.
absl::StatusOr<std::vector<SolverCase>> SolverCases(const Problem& study, const SolverTimeOptions& options);

// kInternal where the two disagree: proven optima that differ by more than the gaps, or a plan below the
// other's bound.
absl::StatusOr<SolverComparison> CompareSolvers(const SolverCase& solver_case,
                                                const SolverTimeOptions& options,
                                                const StudyControl& control);

}  // namespace dilemma
