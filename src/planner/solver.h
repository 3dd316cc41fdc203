// One interface for every way to solve a Problem.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/problem.h"

namespace dilemma {

// kOptimal: proven within the gap asked for. kFeasible: an assignment and a valid bound. kInfeasible: proven
// that there is none. kUnknown: stopped before an assignment was found.
enum class SolveStatus { kOptimal, kFeasible, kInfeasible, kUnknown };
std::string_view Name(SolveStatus status);

struct SolveProgress {
  double seconds = 0;
  double objective_s = kNever;  // of the best assignment so far
  double bound_s = 0;
  double gap = 1;
};

struct SolveOptions {
  double time_limit_s = 60;  // the search stops there; it never steers the search
  double gap = 1e-6;         // relative gap at which an assignment counts as optimal
  uint64_t seed = 1;
  int threads = 1;
  std::function<bool()> stop;                          // polled; true ends the search with the best so far
  std::function<void(const SolveProgress&)> progress;  // called as bound or objective improve
  Assignment start;                                    // optional: a known assignment to begin from
};

struct SolveResult {
  SolveStatus status = SolveStatus::kUnknown;
  Assignment assignment;        // empty where there is none
  double objective_s = kNever;  // as validate.h computes it
  double bound_s = 0;           // no assignment is better than this; kNever where infeasible
  double gap = 1;               // (objective - bound) / objective
  double seconds = 0;
  std::string method;  // solver or baseline
  std::string reason;  // why infeasible, or why it stopped
  bool HasAssignment() const { return !assignment.empty(); }
};

// Thread-compatible: one Solve at a time on one object.
class Solver {
 public:
  virtual ~Solver() = default;
  virtual std::string_view name() const = 0;
  // Same problem, options and seed: same result, whatever the load of the machine, unless a limit of time or
  // `stop` ended the search. Every assignment returned has passed validate.h.
  virtual SolveResult Solve(const Problem& problem, const SolveOptions& options) = 0;
};

// "exact" (the own method, the default), "highs" (tight flow formulation), "brute" (every assignment; at most
// about 1e8 of them). kInvalidArgument lists the names.
absl::StatusOr<std::unique_ptr<Solver>> MakeSolver(std::string_view name);
std::vector<std::string_view> SolverNames();
inline constexpr std::string_view kDefaultSolver = "exact";

}  // namespace dilemma
