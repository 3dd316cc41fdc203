#include "planner/any_solver.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "planner/any_bound.h"
#include "planner/any_search.h"
#include "planner/one_block_solver.h"
#include "planner/room_grid.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr int kLevels = 4;  // of memory that is taken, level_table.h
constexpr int kSteps = 300, kWidenSteps = 100, kRounds = 12;
constexpr size_t kMostStates = 8192;       // of all servers in level_paths.h
constexpr size_t kMostRests = 24'000'000;  // entries of unit_completions.h
constexpr size_t kFewestRooms = 64, kMostRooms = 1024;
constexpr size_t kFirstWidth = 256, kLastWidth = size_t{1} << 20, kWidening = 4;
constexpr size_t kDiveWidth = 300;
constexpr double kWindow = 1e-2;
constexpr size_t kQuickWidth = 256;
constexpr int kQuickSteps = 60, kQuickRounds = 2;
constexpr size_t kPolishWidth = 1024;  // passes that wide come before parts of the plan are solved anew
constexpr double kPolishGap = 1e-2;    // and only where so much is open
constexpr size_t kPartBlocks = 4, kMostParts = 60;
constexpr double kPartGap = 1e-4;
constexpr double kWidenGain = 1e-2;  // of the bound, about, where servers are remembered anew
constexpr double kStartGap = 1e-2;   // of the plan with one block a server

class Any {
 public:
  // `quick`: from the start in the options, with narrow passes alone.
  Any(const Problem& problem, const SolveOptions& options, bool quick = false)
      : problem_(problem), options_(options), quick_(quick), in_(problem) {}

  SolveResult Run() {
    result_.method = "exact";
    if (in_.servers == 0) return Infeasible("no server can hold any unit");
    TakeStart();
    const auto found = [this](const auto& servers, const auto& types) { TryPlan(servers, types); };
    AnyBound bound(in_, kLevels, LooseEnds(), found, [this] { return Stop(); });
    if (!bound.Run(1, 0)) return Infeasible("no way to cut the units into blocks fits");
    const double guess = incumbent_.cost != kNever ? incumbent_.cost : bound.bound() * 1.3;
    bound.Run(quick_ ? kQuickSteps : kSteps, guess - bound.bound());
    Raise(bound.bound());
    Widen(bound);
    bound.Settle();
    if (!Proven()) Search(bound);
    return Finished();
  }

 private:
  bool Stop() {
    if (!stopped_) stopped_ = watch_.Seconds() > options_.time_limit_s || (options_.stop && options_.stop());
    return stopped_;
  }
  bool Proven() const { return lower_ >= incumbent_.cost * (1 - options_.gap); }

  // Servers remember each other, one more a server in each round, until that does not help any more.
  void Widen(AnyBound& bound) {
    int most = 0;
    for (auto states = static_cast<size_t>(in_.servers) * kLevels; states * kLevels <= kMostStates; ++most)
      states *= kLevels;
    for (int round = 1; round <= (quick_ ? kQuickRounds : kRounds) && !Proven() && !Stop(); ++round) {
      const bool grew = bound.Widen(std::min({round, most, in_.servers - 1}));
      if (!grew) break;
      bound.Run(kWidenSteps, kWidenGain * std::abs(bound.bound()));
      Raise(bound.bound());
    }
  }

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

  // A narrow pass without a window: the best plan is farther above the bound than what is searched first.
  void Dive(AnySearch& search) {
    search.Pass(kDiveWidth, kNever, options_.gap);
    Adopt();
    Raise(search.bound());
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

  void Search(const AnyBound& bound) {
    size_t others = 0;
    for (int n = 0; n < in_.servers; ++n) others += static_cast<size_t>(bound.memory().Others(n));
    const RoomGrid rooms(
        in_, std::clamp(kMostRests / (others * static_cast<size_t>(in_.units)), kFewestRooms, kMostRooms));
    AnySearch search(in_, rooms, bound, incumbent_, [this] { return Stop(); });
    if (!quick_) Dive(search);
    bool polished = quick_;
    double window = kWindow;
    for (size_t width = kFirstWidth; width <= (quick_ ? kQuickWidth : kLastWidth) && !Stop() && !Proven();) {
      const bool last = window > 1e3 || lower_ <= 0;
      const double cutoff = last ? kNever : lower_ * (1 + window);
      const bool complete = search.Pass(width, cutoff, options_.gap);
      Adopt();
      Raise(search.bound());
      if (complete && last && incumbent_.cost == kNever) {
        Infeasible("a complete search found no plan that keeps every limit");
        return;
      }
      if (complete && last) break;
      if (search.out_of_memory()) break;
      if (!complete && width >= kPolishWidth && !polished && lower_ < incumbent_.cost * (1 - kPolishGap)) {
        polished = true;
        Polish();
      }
      if (complete || incumbent_.cost == kNever) window *= 2;
      if (!complete) width *= kWidening;
    }
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
