// A problem's limits alone, to which one cost is then added: what is the least of it?
#pragma once

#include "planner/problem.h"

namespace dilemma {

// No costs at all, latency as the objective. It counts prefill_s alone (no decode steps), so decode_s stays
// as it is for the limits on compute time. Set compute.prefill_s or others and Fold.
Problem WithoutCosts(const Problem& problem);

}  // namespace dilemma
