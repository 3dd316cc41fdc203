// `plan --problem FILE`: a bare problem, solved and answered.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "cli/command.h"
#include "planner/solver.h"

namespace dilemma::cli {

// By a solver or a baseline of that name.
absl::StatusOr<SolveResult> SolveBy(const std::string& method, const Problem& problem,
                                    const SolveOptions& options);

struct ProblemOptions {
  std::string path;
  std::string method{kDefaultSolver};
  double time_limit_s = 60, gap = 1e-6;
  bool explain = false;
  int frontier = 0;  // points; 0: none
};

// Reads, solves, prints the answer. That there is no plan is an answer too; an error is a file that cannot be
// read or a name that does not exist.
absl::Status AnswerProblem(const Program& program, const ProblemOptions& options);

}  // namespace dilemma::cli
