// `plan --from` and `plan --what-if`: what a change does to a plan.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/command.h"
#include "plan/plan.h"
#include "study/plan_inputs.h"

namespace dilemma::cli {

struct ReplanRequest {
  Plan old_plan;
  std::vector<std::string> changes;  // already in `inputs`; for the answer
  PlanInputs inputs;
  std::string sha256;  // of the model
  double serve_requests = 100, time_limit_s = 60, gap = 1e-6;
  std::string out;
};

// Plans again, prints old and new plan, what moves and the delay before and after, and writes the new plan.
absl::Status ReplanAndPrint(const Program& program, const ReplanRequest& request);

}  // namespace dilemma::cli
