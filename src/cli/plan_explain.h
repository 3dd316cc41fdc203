// `plan --explain`: what limits are worth, as a table; and why there is no plan.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "study/explain_plan.h"

namespace dilemma::cli {

// With progress on standard error. Ctrl-C gives an empty explanation: the plan is there without it.
absl::StatusOr<Explanation> Explain(const Problem& problem, const SolveResult& result,
                                    const std::vector<Resource>& resources, double time_limit_s, double gap);

// The error that says why there is no plan and what would make one possible; with --json, that is also
// printed.
absl::Status NoPlan(const Program& program, const Problem& problem, const SolveResult& result,
                    const SolveOptions& options);

// "" where there is none.
std::string RenderExplanation(const Explanation& explanation);

}  // namespace dilemma::cli
