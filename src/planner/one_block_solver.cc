#include "planner/one_block_solver.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "planner/block_bound.h"
#include "planner/block_instance.h"
#include "planner/block_search.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr int kMostServers = 64;  // a label remembers its servers in one word
constexpr size_t kFirstWidth = 256, kLastWidth = size_t{1} << 20;
constexpr size_t kWidening = 4;
constexpr int kLeastNear = 3, kMostNear = 8;  // servers that a server remembers, first and last
constexpr int kCycles = 8, kShortSteps = 3;   // widths of the short searches grow for so many cycles
constexpr double kSmallGap = 1.5e-3;          // below it searching pays more than bounding
constexpr size_t kSmallGapWidth = 65536;
constexpr int kSweeps = 4;  // over all moves in the order of servers
constexpr size_t kBeamWidth = 256;
constexpr size_t kChoices = 1024, kDiveChoices = 8, kDiveWidth = 100;  // types kept for each block and unit
constexpr double kDeepest = 0.1;  // and how far where nothing is found: narrow searches for any plan
constexpr double kWindow = 4e-3;  // how far above the bound the short searches look

class OneBlock {
 public:
  OneBlock(const Problem& problem, const SolveOptions& options, bool short_search)
      : problem_(problem), options_(options), short_search_(short_search), in_(problem), table_(in_) {}

  SolveResult Run() {
    result_.method = "exact";
    if (in_.servers == 0) {
      Infeasible("no server can hold any unit");
      return Finished();
    }
    TakeStart();
    const int64_t all_blocks = table_.alive();
    BlockBound bound(in_, table_, incumbent_, [this] { return Stop(); });
    if (!bound.Begin(LooseEnds())) {
      Infeasible("no way to cut the units into blocks fits into the memory of the servers");
      return Finished();
    }
    scale_ = bound.TypicalCost();
    bound.SearchOrders(kSweeps, options_.seed);
    Raise(bound.bound(), table_.alive() == all_blocks);
    bound.Dive(kBeamWidth, options_.gap);
    if (!Tighten(bound)) {
      if (incumbent_.cost == kNever && !FindFeasible()) return Finished();
      if (!Proven() && !Stop() && !(short_search_ && incumbent_.cost != kNever))
        Search(bound, kFirstWidth, kLastWidth, kNever);
    }
    return Finished();
  }

 private:
  bool Stop() {
    if (!stopped_) stopped_ = watch_.Seconds() > options_.time_limit_s || (options_.stop && options_.stop());
    return stopped_;
  }

  // Ends that any path has at least: the way back costs what it costs to the nearest first server.
  PathEnds LooseEnds() const {
    PathEnds ends{in_.first, in_.last};
    for (int n = 0; in_.has_ring && n < in_.servers; ++n) {
      double least = kNever;
      for (int f = 0; f < in_.servers; ++f)
        if (in_.MaxLength(f, 0) > 0 && (f != n || in_.MaxLength(n, 0) == in_.units))
          least = std::min(least, in_.Ring(n, f));
      if (least != kNever) ends.last[static_cast<size_t>(n)] += least;
    }
    return ends;
  }

  void TakeStart() {
    if (options_.start.empty()) return;
    const Evaluation evaluation = Evaluate(problem_, options_.start);
    if (evaluation.ok()) Take(options_.start, evaluation.objective_s);
  }

  void Take(const Assignment& assignment, double cost) {
    result_.assignment = assignment;
    incumbent_.cost = cost;
    incumbent_.server.clear();
  }

  // Minimises loss alone; the plan it finds keeps every limit, or there is none.
  bool FindFeasible() {
    if (!in_.has_budget) return true;
    Problem p = problem_;
    p.loss_budget = kNever;
    p.decode_steps = 0;
    p.move_s.clear();
    for (Times* times : {&p.stage, &p.hop, &p.entry, &p.exit, &p.ring})
      times->prefill_s.assign(times->size(), 0.0);
    for (int u = 0; u < p.units; ++u)
      for (int n = 0; n < p.servers; ++n)
        for (int q = 0; q < p.types; ++q)
          if (p.Possible(u, n, q))
            p.compute.prefill_s[p.At(u, n, q)] = p.loss[p.Uq(u, q)] / problem_.loss_budget;
    p.Fold();
    SolveOptions options = options_;
    options.start.clear();
    options.progress = nullptr;
    options.time_limit_s = options_.time_limit_s - watch_.Seconds();
    const SolveResult least = SolveOneBlock(p, options);
    if (least.status == SolveStatus::kInfeasible) {
      Infeasible(least.reason);
      return false;
    }
    if (least.HasAssignment()) {
      const Evaluation evaluation = Evaluate(problem_, least.assignment);
      if (evaluation.ok()) {
        Take(least.assignment, evaluation.objective_s);
        return true;
      }
    }
    if (least.bound_s > 1 + 1e-9) {
      Infeasible(fmt::format("the least loss that fits in memory is {:.6g}, the budget is {:.6g}",
                             least.bound_s * problem_.loss_budget, problem_.loss_budget));
      return false;
    }
    return true;
  }

  bool Proven() const { return lower_ >= incumbent_.cost * (1 - options_.gap); }

  // A little above the bound; no limit for kNever. Costs near 0 are measured by the size of the problem.
  double Above(double window) const {
    if (window == kNever || (lower_ <= 0 && scale_ <= 0)) return kNever;
    return lower_ + window * std::max(lower_, 0.1 * scale_);
  }

  // Where blocks or branches were left out that cannot be better by the gap, no bound says more than that.
  void Raise(double bound, bool all_plans = false) {
    if (incumbent_.cost != kNever && !all_plans)
      bound = std::min(bound, incumbent_.cost * (1 - options_.gap));
    lower_ = std::max(lower_, bound);
    Report();
  }

  // Neighbourhoods grow; in between, short searches just above the bound find plans or raise it. Whether the
  // proof is done.
  bool Tighten(BlockBound& bound) {
    for (int most = kLeastNear; most < kLeastNear + kCycles && !Stop() && !Proven(); ++most) {
      const bool more = bound.Cycle(std::min(most, kMostNear));
      bound.Dive(kBeamWidth, options_.gap);
      Raise(bound.bound());
      if (Proven() || Stop()) break;
      const int cycle = std::min(most - kLeastNear, kShortSteps);
      dive_allowed_ = cycle >= 2;
      Search(bound, kFirstWidth, kFirstWidth << (2 * cycle), kWindow);
      if (result_.status == SolveStatus::kInfeasible) return true;
      if (!more && most >= kMostNear) break;
    }
    return Proven();
  }

  // Passes of growing width that look for plans up to `window` above the bound: each finds one, or raises the
  // bound by the window, or was too narrow. Whether the proof is done.
  bool Search(BlockBound& bound, size_t from_width, size_t to_width, double window) {
    if (in_.servers > kMostServers) return Proven();
    BlockSearch search(in_, table_, bound, incumbent_, [this] { return Stop(); });
    search.Prepare(options_.gap);
    Raise(search.bound());
    for (size_t width = from_width; width <= to_width && !Stop() && !Proven();) {
      const double cutoff = Above(window);
      const bool complete = search.Pass(width, cutoff, options_.gap, kChoices);
      Raise(search.bound());
      if (complete && cutoff == kNever && incumbent_.cost == kNever) {
        Infeasible("no way to cut the units into blocks fits into the memory of the servers");
        return true;
      }
      if (search.out_of_memory()) break;
      if (complete) window *= 2;
      if (!complete) width *= kWidening;
      if (incumbent_.cost != kNever && lower_ >= incumbent_.cost * (1 - kSmallGap))
        to_width = std::max(to_width, kSmallGapWidth);
    }
    if (!dive_allowed_) return Proven();
    for (double dive = 2 * window; dive <= kDeepest && incumbent_.cost > lower_ * (1 + dive) && !Stop();
         dive *= 2) {
      search.Pass(kDiveWidth, Above(dive), options_.gap, kDiveChoices);
      Raise(search.bound());
    }
    return Proven();
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

  void Infeasible(std::string reason) {
    result_.status = SolveStatus::kInfeasible;
    result_.reason = std::move(reason);
    result_.bound_s = kNever;
  }

  SolveResult Finished() {
    if (lower_ == kNever && !result_.HasAssignment() && incumbent_.server.empty())
      Infeasible(
          "no way to cut the units into blocks, one for each server, fits into the memory of the servers");
    if (result_.status != SolveStatus::kInfeasible) {
      if (!incumbent_.server.empty()) {
        result_.assignment.resize(static_cast<size_t>(in_.units));
        for (size_t u = 0; u < result_.assignment.size(); ++u)
          result_.assignment[u] = {in_.server_of[static_cast<size_t>(incumbent_.server[u])],
                                   incumbent_.type[u]};
      }
      result_.bound_s = std::max(0.0, lower_);
      if (result_.HasAssignment()) {
        const Evaluation evaluation = Evaluate(problem_, result_.assignment);
        if (!evaluation.ok()) {
          result_.assignment.clear();
          result_.reason = "the plan found does not keep every limit (a bug): " + evaluation.Text();
        } else {
          result_.objective_s = evaluation.objective_s;
          result_.bound_s = std::min(result_.bound_s, result_.objective_s);
          result_.gap = result_.objective_s > 0 ? 1 - result_.bound_s / result_.objective_s : 0;
          result_.status = result_.gap <= options_.gap * (1 + 1e-6) + 1e-12 ? SolveStatus::kOptimal
                                                                            : SolveStatus::kFeasible;
        }
      }
      if (result_.status != SolveStatus::kOptimal && result_.reason.empty())
        result_.reason = stopped_ ? "stopped before the proof was complete"
                         : in_.servers > kMostServers
                             ? fmt::format("the search for a proof knows {} servers, here are {}",
                                           kMostServers, in_.servers)
                             : "the search reached its memory limit";
    }
    result_.seconds = watch_.Seconds();
    return std::move(result_);
  }

  const Stopwatch watch_;
  const Problem& problem_;
  const SolveOptions& options_;
  const bool short_search_;
  const BlockInstance in_;
  BlockTable table_;
  Incumbent incumbent_;
  SolveResult result_;
  double lower_ = 0;
  double scale_ = 0;  // a middling cost
  bool stopped_ = false, dive_allowed_ = true;
};

}  // namespace

SolveResult SolveOneBlock(const Problem& problem, const SolveOptions& options, bool short_search) {
  return OneBlock(problem, options, short_search).Run();
}

}  // namespace dilemma
