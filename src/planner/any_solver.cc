#include "planner/any_solver.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "planner/any_branch.h"
#include "planner/one_block_solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kPolishGap = 1e-2;  // parts of the plan are solved anew only where so much is open
constexpr size_t kPartBlocks = 4, kMostParts = 60;
constexpr double kPartGap = 1e-4;
constexpr double kStartGap = 1e-2;  // of the plan with one block a server
constexpr size_t kMostBranches = 16;

class Any {
 public:
  // `quick`: from the start in the options, with narrow passes alone.
  Any(const Problem& problem, const SolveOptions& options, bool quick = false)
      : problem_(problem), options_(options), quick_(quick), in_(problem) {}

  SolveResult Run() {
    result_.method = "exact";
    if (in_.servers == 0) return Infeasible("no server can hold any unit");
    TakeStart();
    AddBranch(LooseEnds());
    if (!branches_.front().Begin()) return Infeasible("no way to cut the units into blocks fits");
    RaiseToBranches();
    if (in_.has_ring && !Proven()) BranchOnFirst();
    Search();
    return Finished();
  }

 private:
  bool Stop() {
    if (!stopped_) stopped_ = watch_.Seconds() > options_.time_limit_s || (options_.stop && options_.stop());
    return stopped_;
  }
  bool Proven() const { return lower_ >= incumbent_.cost * (1 - options_.gap); }

  // A plan with one block per server is a plan.
  void TakeStart() {
    if (!options_.start.empty()) Take(options_.start);
    if (quick_) return;
    Problem p = problem_;
    p.one_block_per_server = true;
    SolveOptions options = options_;
    options.progress = nullptr;
    options.gap = std::max(options.gap, kStartGap);
    options.time_limit_s = options_.time_limit_s / 4;
    const SolveResult result = SolveOneBlock(p, options, /*short_search=*/true);
    if (result.HasAssignment()) Take(result.assignment);
  }

  void Take(const Assignment& assignment) {
    if (assignment.empty()) return;
    const Evaluation evaluation = Evaluate(problem_, assignment);
    if (!evaluation.ok() || evaluation.objective_s >= incumbent_.cost) return;
    result_.assignment = assignment;
    incumbent_.cost = evaluation.objective_s;
    incumbent_.server.clear();
    Report();
  }

  // What the search found becomes the plan.
  void Adopt() {
    if (incumbent_.server.empty()) return;
    result_.assignment = ToAssignment(incumbent_.server, incumbent_.type);
    incumbent_.server.clear();
    Report();
  }

  Assignment ToAssignment(const std::vector<int>& servers, const std::vector<int>& types) const {
    Assignment assignment;
    for (size_t u = 0; u < servers.size(); ++u)
      assignment.push_back({in_.server_of[static_cast<size_t>(servers[u])], types[u]});
    return assignment;
  }
  void TryPlan(const std::vector<int>& servers, const std::vector<int>& types) {
    Take(ToAssignment(servers, types));
  }

  // The way back costs what it costs to the nearest first server.
  PathEnds LooseEnds() const {
    PathEnds ends{in_.first, in_.last};
    for (int n = 0; in_.has_ring && n < in_.servers; ++n) {
      double least = kNever;
      for (int f = 0; f < in_.servers; ++f)
        if (in_.MaxLength(f, 0) > 0) least = std::min(least, in_.Ring(n, f));
      if (least != kNever) ends.last[static_cast<size_t>(n)] += least;
    }
    return ends;
  }

  void AddBranch(PathEnds ends) {
    const auto found = [this](const auto& servers, const auto& types) { TryPlan(servers, types); };
    branches_.emplace_back(
        in_, std::move(ends), found, incumbent_, [this] { return Stop(); }, options_.gap, quick_);
  }

  // With a ring: a branch for each first server, where the way back is known.
  void BranchOnFirst() {
    std::vector<int> firsts;
    for (int f = 0; f < in_.servers; ++f)
      if (in_.MaxLength(f, 0) > 0) firsts.push_back(f);
    if (firsts.size() > kMostBranches) return;
    for (const int f : firsts) {
      AddBranch(PathEnds::From(in_, f));
      branches_.back().BeginAt(branches_.front());
    }
    branches_.pop_front();
  }

  // Solves parts of the plan anew: the units of a few successive blocks on their servers and the unused ones,
  // all other units where they are, at any type. Until no part gets better.
  void Polish() {
    size_t unchanged = 0;
    for (size_t part = 0; result_.HasAssignment() && !Stop() && part < kMostParts; ++part) {
      std::vector<int> order;  // servers of the blocks
      for (const Placement& at : result_.assignment)
        if (order.empty() || order.back() != at.server) order.push_back(at.server);
      if (unchanged >= order.size()) return;
      std::vector<char> used(static_cast<size_t>(problem_.servers), 0), open(used.size(), 0);
      for (const int n : order) used[static_cast<size_t>(n)] = 1;
      for (size_t n = 0; n < used.size(); ++n) open[n] = !used[n];
      for (size_t i = 0; i < kPartBlocks; ++i)
        open[static_cast<size_t>(order[(part + i) % order.size()])] = 1;
      Problem p = problem_;
      for (int u = 0; u < p.units; ++u) {
        const int at = result_.assignment[static_cast<size_t>(u)].server;
        for (int n = 0; n < p.servers; ++n) {
          const bool free = open[static_cast<size_t>(at)] && open[static_cast<size_t>(n)];
          if (n != at && !free) p.allowed[p.Un(u, n)] = 0;
        }
      }
      SolveOptions options = options_;
      options.progress = nullptr;
      options.start = result_.assignment;
      options.gap = std::max(options.gap, kPartGap);
      options.time_limit_s = options_.time_limit_s - watch_.Seconds();
      const double before = incumbent_.cost;
      Take(Any(p, options, /*quick=*/true).Run().assignment);
      unchanged = incumbent_.cost < before ? 0 : unchanged + 1;
    }
  }

  // One step of the least branch at a time.
  void Search() {
    bool polished = quick_;
    while (!Stop() && !Proven()) {
      AnyBranch& branch =
          *std::min_element(branches_.begin(), branches_.end(),
                            [](const AnyBranch& a, const AnyBranch& b) { return a.lower() < b.lower(); });
      if (branch.exhausted()) return;
      branch.Step();
      Adopt();
      RaiseToBranches();
      if (lower_ == kNever && incumbent_.cost == kNever)
        return (void)Infeasible("a complete search found no plan that keeps every limit");
      if (branch.slow() && !polished && lower_ < incumbent_.cost * (1 - kPolishGap)) {
        polished = true;
        Polish();
      }
    }
  }

  void RaiseToBranches() {
    double least = kNever;
    for (const AnyBranch& branch : branches_) least = std::min(least, branch.lower());
    Raise(least);
  }
  void Raise(double bound) {
    lower_ = std::max(lower_, bound);
    Report();
  }
  void Report() {
    if (!options_.progress) return;
    SolveProgress progress;
    progress.seconds = watch_.Seconds();
    progress.objective_s = incumbent_.cost;
    progress.bound_s = std::min(lower_, incumbent_.cost);
    if (incumbent_.cost != kNever && incumbent_.cost > 0)
      progress.gap = 1 - progress.bound_s / incumbent_.cost;
    options_.progress(progress);
  }

  SolveResult Infeasible(std::string reason) {
    result_.status = SolveStatus::kInfeasible;
    result_.reason = std::move(reason);
    result_.bound_s = kNever;
    result_.seconds = watch_.Seconds();
    return result_;
  }

  SolveResult Finished() {
    if (result_.status == SolveStatus::kInfeasible) return result_;
    Adopt();
    result_.bound_s = std::max(0.0, lower_);
    if (result_.HasAssignment()) {
      const Evaluation evaluation = Evaluate(problem_, result_.assignment);
      if (evaluation.ok()) {
        result_.objective_s = evaluation.objective_s;
        result_.bound_s = std::min(result_.bound_s, result_.objective_s);
        result_.gap = result_.objective_s > 0 ? 1 - result_.bound_s / result_.objective_s : 0;
        const bool close = result_.gap <= options_.gap * (1 + 1e-6) + 1e-12;
        result_.status = close ? SolveStatus::kOptimal : SolveStatus::kFeasible;
      } else {
        result_.reason = "the plan found does not keep every limit (a bug): " + evaluation.Text();
        result_.assignment.clear();
      }
    }
    if (result_.status != SolveStatus::kOptimal && result_.reason.empty())
      result_.reason =
          stopped_ ? "stopped before the proof was complete" : "the search reached its memory limit";
    result_.seconds = watch_.Seconds();
    return result_;
  }

  const Stopwatch watch_;
  const Problem& problem_;
  const SolveOptions& options_;
  const bool quick_;
  const BlockInstance in_;
  Incumbent incumbent_;
  SolveResult result_;
  double lower_ = 0;
  std::deque<AnyBranch> branches_;
  bool stopped_ = false;
};

}  // namespace

bool AnySolverKnows(const Problem& p) {
  const bool disk =
      std::any_of(p.disk_bytes.begin(), p.disk_bytes.end(), [](int64_t b) { return b != kNoLimit; });
  const bool busy =
      std::any_of(p.busy_limit_s.begin(), p.busy_limit_s.end(), [](double s) { return std::isfinite(s); });
  return !disk && !busy && p.max_servers == 0;
}

SolveResult SolveAny(const Problem& problem, const SolveOptions& options) {
  return Any(problem, options).Run();
}

}  // namespace dilemma
