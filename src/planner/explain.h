// Why a plan is as it is, and why there is none.
#pragma once

#include <string>
#include <vector>

#include "planner/problem.h"
#include "planner/solver.h"

namespace dilemma {

// A limit that the assignment uses up so far that no unit could take its next larger type (memory, disk) or
// its next better one (loss).
struct BindingLimit {
  std::string limit;        // "memory of edge-2", "loss budget"
  double used = 0, of = 0;  // bytes, seconds or loss
  std::string text;         // "memory of edge-2: 61.0 MiB of 64.0 MiB used"
};
std::vector<BindingLimit> FindBinding(const Problem& problem, const Assignment& assignment);

// One resource by whose change alone an impossible problem becomes possible.
struct Remedy {
  std::string resource;   // "loss budget", "memory of edge-2", "memory of every server", "one block per
                          // server", "disk of edge-2", "busy time of edge-2", "largest number of servers"
  bool possible = false;  // no change of this resource alone helps where false
  bool proven = false;    // the amount is the least one (or, where !possible, that is proven)
  double from = 0, to = 0;
  std::string text;  // "loss budget: 0.20 -> 0.31 makes it possible (least, proven)"
};

struct Infeasibility {
  bool proven = false;
  std::string reason;  // one sentence: the resource that is short and by how much
  std::vector<Remedy> remedies;
};
// For a problem without a feasible assignment: solves it again with one resource relaxed at a time.
Infeasibility ExplainInfeasible(const Problem& problem, const SolveOptions& options);

}  // namespace dilemma
