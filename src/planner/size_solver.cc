#include "planner/size_solver.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "base/units.h"
#include "planner/validate.h"
#include "planner/without_costs.h"

namespace dilemma {
namespace {

constexpr int kMostPrices = 40;
constexpr double kSlack = 1e-11;  // bounds are shaved by it

class WithinSize {
 public:
  WithinSize(const Problem& problem, const SolveOptions& options, const SolveMethod& method)
      : problem_(problem), options_(options), method_(method), free_(problem) {
    free_.size_budget = kNoLimit;
  }

  SolveResult Run() {
    if (!options_.start.empty()) (void)Take(options_.start);
    SolveResult first = Ask(0);
    result_.method = first.method;
    if (first.status == SolveStatus::kInfeasible) return first;
    if (!first.HasAssignment()) return Finished(first.reason);
    Point over = Take(first.assignment);
    if (over.fits || Proven()) return Finished(first.reason);
    Point under;
    if (!FindSmallest(under)) return std::move(result_);
    if (under.fits) Search(over, under);
    return Finished("the size limit was priced, which leaves a gap");
  }

 private:
  struct Point {
    double cost = kNever, bytes = 0;
    bool fits = false;
  };

  double TimeLeft() const { return options_.time_limit_s - watch_.Seconds(); }
  bool Stop() const { return TimeLeft() <= 0 || (options_.stop && options_.stop()); }
  bool Proven() const { return lower_ >= best_ * (1 - options_.gap); }

  SolveOptions Inner(const Assignment& start) const {
    SolveOptions options = options_;
    options.time_limit_s = std::max(0.01, TimeLeft());
    options.start = start;
    options.progress = nullptr;
    return options;
  }

  // Solves with `price` seconds for every byte; what it proves raises the bound.
  SolveResult Ask(double price) {
    Problem priced = free_;
    if (price > 0) {
      if (priced.move_s.empty()) priced.move_s.assign(priced.compute.size(), 0.0);
      for (int u = 0; u < priced.units; ++u)
        for (int n = 0; n < priced.servers; ++n)
          for (int q = 0; q < priced.types; ++q)
            priced.move_s[priced.At(u, n, q)] +=
                price * static_cast<double>(priced.weight_bytes[priced.Uq(u, q)]);
    }
    const SolveResult result = method_(priced, Inner(options_.start));
    const double paid = price * static_cast<double>(problem_.size_budget);
    if (std::isfinite(result.bound_s))
      lower_ = std::max(lower_, result.bound_s - paid - kSlack * (result.bound_s + paid));
    Report();
    return result;
  }

  // What a plan costs without prices; it is kept where it keeps every limit.
  Point Take(const Assignment& assignment) {
    const Evaluation e = Evaluate(problem_, assignment);
    if (e.ok() && e.objective_s < best_) {
      best_ = e.objective_s;
      result_.assignment = assignment;
    }
    return {e.objective_s, static_cast<double>(e.weight_bytes), e.ok()};
  }

  // The smallest plan that keeps the other limits. False where it is proven not to be small enough.
  bool FindSmallest(Point& under) {
    Problem p = WithoutCosts(free_);
    const auto scale = static_cast<double>(std::max<int64_t>(1, problem_.size_budget));
    for (int u = 0; u < p.units; ++u)
      for (int n = 0; n < p.servers; ++n)
        for (int q = 0; q < p.types; ++q)
          if (p.Possible(u, n, q))
            p.compute.prefill_s[p.At(u, n, q)] = static_cast<double>(p.weight_bytes[p.Uq(u, q)]) / scale;
    p.Fold();
    const SolveResult least = method_(p, Inner({}));
    if (least.HasAssignment()) under = Take(least.assignment);
    if (under.fits || least.bound_s * scale <= static_cast<double>(problem_.size_budget) * (1 + 1e-9))
      return true;
    result_.status = SolveStatus::kInfeasible;
    result_.bound_s = kNever;
    result_.seconds = watch_.Seconds();
    result_.reason = fmt::format(
        "the smallest plan within the other limits has {} of weights, {} are allowed",
        FormatBytes(static_cast<int64_t>(least.bound_s * scale)), FormatBytes(problem_.size_budget));
    return false;
  }

  // Both plans lie on the lower hull of (bytes, cost); so does every plan found, until none is below the line
  // between the two.
  void Search(Point over, Point under) {
    for (int i = 0; i < kMostPrices && !Proven() && !Stop(); ++i) {
      const double price = (under.cost - over.cost) / (over.bytes - under.bytes);
      if (!(price > 0)) return;
      const SolveResult result = Ask(price);
      if (!result.HasAssignment()) return;
      const Point point = Take(result.assignment);
      const double line = under.cost + price * under.bytes;
      if (point.cost + price * point.bytes >= line * (1 - 1e-9)) return;
      (point.bytes <= static_cast<double>(problem_.size_budget) ? under : over) = point;
    }
  }

  void Report() const {
    if (!options_.progress) return;
    SolveProgress progress;
    progress.seconds = watch_.Seconds();
    progress.objective_s = best_;
    progress.bound_s = std::min(lower_, best_);
    if (std::isfinite(best_) && best_ > 0) progress.gap = 1 - progress.bound_s / best_;
    options_.progress(progress);
  }

  SolveResult Finished(const std::string& reason) {
    result_.seconds = watch_.Seconds();
    result_.objective_s = best_;
    result_.bound_s = std::min(std::max(0.0, lower_), best_);
    if (result_.HasAssignment()) {
      result_.gap = best_ > 0 ? 1 - result_.bound_s / best_ : 0;
      result_.status =
          result_.gap <= options_.gap * (1 + 1e-6) + 1e-9 ? SolveStatus::kOptimal : SolveStatus::kFeasible;
    }
    if (result_.status != SolveStatus::kOptimal)
      result_.reason = Stop() ? "stopped before the proof was complete" : reason;
    return std::move(result_);
  }

  const Stopwatch watch_;
  const Problem& problem_;
  const SolveOptions& options_;
  const SolveMethod& method_;
  Problem free_;  // without the limit on size
  SolveResult result_;
  double best_ = kNever, lower_ = 0;
};

}  // namespace

SolveResult SolveWithinSize(const Problem& problem, const SolveOptions& options, const SolveMethod& method) {
  return WithinSize(problem, options, method).Run();
}

}  // namespace dilemma
