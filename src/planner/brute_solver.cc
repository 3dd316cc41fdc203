#include "planner/brute_solver.h"

#include "base/clock.h"
#include "base/status.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kMostAssignments = 1e8;
constexpr int64_t kPollEvery = 4096;

// The placements of one unit that are possible by themselves.
std::vector<std::vector<Placement>> PossiblePlacements(const Problem& p) {
  std::vector<std::vector<Placement>> possible(static_cast<size_t>(p.units));
  for (int u = 0; u < p.units; ++u)
    for (int n = 0; n < p.servers; ++n)
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) possible[static_cast<size_t>(u)].push_back({n, q});
  return possible;
}

class BruteSolver : public Solver {
 public:
  std::string_view name() const override { return "brute"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    const Stopwatch watch;
    SolveResult result;
    result.method = "brute";
    const auto possible = PossiblePlacements(problem);
    double count = 1;
    for (const auto& unit : possible) count *= static_cast<double>(unit.size());
    if (count > kMostAssignments) {
      result.reason = fmt::format("{:.3g} assignments are too many to try one by one", count);
      return result;
    }
    const bool complete = count == 0 || TryAll(problem, options, watch, possible, result);
    Finish(complete, watch, result);
    return result;
  }

 private:
  static bool TryAll(const Problem& problem, const SolveOptions& options, const Stopwatch& watch,
                     const std::vector<std::vector<Placement>>& possible, SolveResult& result) {
    std::vector<size_t> index(possible.size(), 0);
    Assignment assignment;
    for (const auto& unit : possible) assignment.push_back(unit.front());
    for (int64_t tried = 0;; ++tried) {
      const Evaluation evaluation = Evaluate(problem, assignment);
      if (evaluation.ok() && evaluation.objective_s < result.objective_s) {
        result.objective_s = evaluation.objective_s;
        result.assignment = assignment;
      }
      if (tried % kPollEvery == 0 &&
          (watch.Seconds() > options.time_limit_s || (options.stop && options.stop())))
        return false;
      size_t u = 0;
      while (u < index.size() && ++index[u] == possible[u].size()) index[u++] = 0;
      if (u == index.size()) return true;
      for (size_t i = 0; i <= u; ++i) assignment[i] = possible[i][index[i]];
    }
  }

  static void Finish(bool complete, const Stopwatch& watch, SolveResult& result) {
    result.seconds = watch.Seconds();
    if (!complete) {
      result.status = result.HasAssignment() ? SolveStatus::kFeasible : SolveStatus::kUnknown;
      result.reason = "stopped before every assignment was tried";
    } else if (result.HasAssignment()) {
      result.status = SolveStatus::kOptimal;
      result.bound_s = result.objective_s;
      result.gap = 0;
    } else {
      result.status = SolveStatus::kInfeasible;
      result.bound_s = kNever;
      result.reason = "no assignment keeps every limit: all were tried";
    }
  }
};

}  // namespace

std::unique_ptr<Solver> MakeBruteSolver() { return std::make_unique<BruteSolver>(); }

}  // namespace dilemma
