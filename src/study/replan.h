// Planning again after something changed: a link, a server, the users. What moves costs time once, which is
// spread over the requests that the new plan will serve.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "plan/plan.h"
#include "planner/solver.h"
#include "study/plan_inputs.h"

namespace dilemma {

// A change as a person writes it, applied to cluster, profile, workload and limits:
//   link A-B 20 Mbit/s | link A-B 5 ms | link A-B 20 Mbit/s, 5 ms   (both directions; A->B: one; a server or
//   "user") memory S 64 MiB | disk S 1 GiB | slowdown S 2 (compute takes twice the time) | without S users 3
//   | users +1 | context +256 | max-servers 3 | max-loss 0.2
// kInvalidArgument says what is wrong with it.
absl::Status ApplyChange(std::string_view text, PlanInputs& inputs);
std::string_view ChangeGrammar();  // for --help

// Units that are new to a server, or new in that type.
struct Move {
  std::string server;
  int first_unit = 0, last_unit = 0;
  int64_t bytes = 0;   // of weights
  double seconds = 0;  // over the link from the user, where shards come from
};

struct Replanned {
  SolveResult result;        // of the changed problem; its objective counts moves
  std::string old_breaks;    // why the old plan holds no longer; empty where it does
  double old_request_s = 0;  // of the old plan after the change, where it holds
  std::vector<Move> moves;
  int64_t moved_bytes = 0;
  double move_s = 0;  // one after the other
};

struct ReplanOptions {
  double serve_requests = 100;  // over which moving must pay off: a second of it counts 1 / serve_requests
  SolveOptions solve;
};

// `problem` is built from `changed`; its move_s is set here. The solver starts from the old plan, or, where
// that holds no longer, from the best plan that leaves in place what can stay. Units of the old plan on
// servers or in types that are not known any more count as gone. kInvalidArgument where the plan has another
// number of units.
absl::StatusOr<Replanned> Replan(const Plan& old_plan, const PlanInputs& changed, Problem& problem,
                                 const ReplanOptions& options);

// Weights of the stages that the old plan does not have as they are: `run` ships whole shards. Stages that it
// has keep their shards.
int64_t KeepShards(const Plan& old_plan, Plan& plan);

}  // namespace dilemma
