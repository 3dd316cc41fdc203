#include "study/explain_plan.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "base/units.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kMostUnits = 1 << 20;  // a limit that needs more than that is reported as lifted only

class Explainer {
 public:
  Explainer(const Problem& problem, const SolveResult& plan, const ExplainOptions& options)
      : problem_(problem), plan_(plan), options_(options), solver_(MakeSolver(kDefaultSolver).value()) {}

  absl::StatusOr<Explanation> Run(const std::vector<Resource>& resources);

 private:
  struct Saving {
    double seconds = 0;
    bool proven = false;
  };

  double Left() const { return options_.time_limit_s - watch_.Seconds(); }
  bool Stopped() const { return options_.stop && options_.stop(); }
  void Report(std::string_view what) {
    if (options_.progress) options_.progress(static_cast<double>(done_++) / std::max(1, steps_), what);
  }
  SolveOptions OptionsFrom(const Assignment& start) const;
  Saving SavingOf(const Problem& changed) const;
  LimitWorth Ask(const Resource& resource) const;
  void FindLeast(const Resource& resource, LimitWorth& worth) const;
  UnusedServer Unused(int n) const;
  std::string CannotHold(int n) const;
  SolveResult BestThatUses(int n, bool& proven) const;

  const Problem& problem_;
  const SolveResult& plan_;
  const ExplainOptions& options_;
  std::unique_ptr<Solver> solver_;
  const Stopwatch watch_;
  int steps_ = 0, done_ = 0;
};

SolveOptions Explainer::OptionsFrom(const Assignment& start) const {
  SolveOptions options;
  options.time_limit_s = std::max(1e-3, Left());
  options.gap = options_.gap;
  options.stop = options_.stop;
  options.start = start;
  return options;
}

Explainer::Saving Explainer::SavingOf(const Problem& changed) const {
  if (Left() <= 0) return {};
  const SolveResult result = solver_->Solve(changed, OptionsFrom(plan_.assignment));
  Saving saving;
  saving.proven = result.status == SolveStatus::kOptimal && plan_.status == SolveStatus::kOptimal;
  const double less = plan_.objective_s - result.objective_s;
  if (result.HasAssignment() && less > 2 * options_.gap * plan_.objective_s) saving.seconds = less;
  return saving;
}

LimitWorth Explainer::Ask(const Resource& resource) const {
  LimitWorth worth;
  worth.limit = resource.name;
  worth.unit = resource.unit;
  worth.used = resource.used;
  worth.of = resource.of;
  const Saving all = SavingOf(resource.with(kNever));
  worth.all_s = all.seconds;
  worth.proven = all.proven;
  if (all.seconds <= 0) return worth;
  const Saving one = SavingOf(resource.with(1));
  worth.one_s = one.seconds;
  worth.proven = worth.proven && one.proven;
  if (one.seconds > 0) {
    worth.least = 1;
    worth.least_s = one.seconds;
  } else {
    FindLeast(resource, worth);
  }
  return worth;
}

// Savings never fall as the amount grows: doubling finds an amount that helps, bisection the least one.
void Explainer::FindLeast(const Resource& resource, LimitWorth& worth) const {
  double none = 1, some = 2;
  Saving saving;
  for (; some <= kMostUnits && !Stopped() && Left() > 0; none = some, some *= 2) {
    saving = SavingOf(resource.with(some));
    worth.proven = worth.proven && saving.proven;
    if (saving.seconds > 0) break;
  }
  if (saving.seconds <= 0) return;
  while (some - none > 1 && !Stopped() && Left() > 0) {
    const double middle = std::floor((none + some) / 2);
    const Saving there = SavingOf(resource.with(middle));
    worth.proven = worth.proven && there.proven;
    (there.seconds > 0 ? some : none) = middle;
    if (there.seconds > 0) saving = there;
  }
  if (some - none > 1) worth.proven = false;
  worth.least = some;
  worth.least_s = saving.seconds;
}

// Why server n can hold nothing at all, as a sentence; empty where it can.
std::string Explainer::CannotHold(int n) const {
  const auto i = static_cast<size_t>(n);
  int64_t least = kNoLimit;
  for (int u = 0; u < problem_.units; ++u)
    for (int q = 0; q < problem_.types; ++q)
      if (problem_.Possible(u, n, q)) least = std::min(least, problem_.Bytes(u, n, q));
  if (least == kNoLimit) return "may hold nothing: forbidden, pinned elsewhere or not measured";
  least += problem_.stage_bytes[i];
  if (least <= problem_.memory_bytes[i]) return "";
  return fmt::format("is too small: the smallest unit needs {}, it has {}", FormatBytes(least),
                     FormatBytes(problem_.memory_bytes[i]));
}

// Every plan that uses n has some unit there. The cases: unit u is on n and no earlier case's unit is. Each
// ends as soon as its bound reaches the best plan of the others.
SolveResult Explainer::BestThatUses(int n, bool& proven) const {
  SolveResult best;
  proven = true;
  Problem rest = problem_;
  for (int u = 0; u < problem_.units && !Stopped(); ++u) {
    if (!problem_.allowed[problem_.Un(u, n)]) continue;
    if (Left() <= 0) {
      proven = false;
      break;
    }
    Problem p = rest;
    for (int m = 0; m < p.servers; ++m)
      if (m != n) p.allowed[p.Un(u, m)] = 0;
    rest.allowed[rest.Un(u, n)] = 0;
    bool beaten = false;
    SolveOptions options = OptionsFrom({});
    options.progress = [&](const SolveProgress& at) {
      beaten = beaten || at.bound_s >= best.objective_s * (1 - options_.gap);
    };
    options.stop = [&] { return beaten || Stopped(); };
    const SolveResult result = solver_->Solve(p, options);
    if (result.HasAssignment() && result.objective_s < best.objective_s) best = result;
    proven = proven && (result.status == SolveStatus::kOptimal || result.status == SolveStatus::kInfeasible ||
                        result.bound_s >= best.objective_s * (1 - options_.gap));
  }
  proven = proven && !Stopped();
  return best;
}

UnusedServer Explainer::Unused(int n) const {
  UnusedServer out;
  out.server = problem_.server_names[static_cast<size_t>(n)];
  if (const std::string why = CannotHold(n); !why.empty()) {
    out.proven = true;
    out.text = fmt::format("{} {}", out.server, why);
    return out;
  }
  const SolveResult best = BestThatUses(n, out.proven);
  out.possible = best.HasAssignment();
  if (!out.possible) {
    out.text = out.proven ? fmt::format("no plan that keeps the limits can use {} (proven)", out.server)
                          : fmt::format("no plan that uses {} was found in the time given", out.server);
    return out;
  }
  // Where the plan itself is not the best one, a plan that uses the server may be faster.
  out.proven = out.proven && plan_.status == SolveStatus::kOptimal;
  out.extra_s = best.objective_s - plan_.objective_s;
  const std::string by = fmt::format("{} ({:.2g} %)", FormatDuration(std::abs(out.extra_s)),
                                     100 * std::abs(out.extra_s) / std::max(1e-300, plan_.objective_s));
  const char* proof = out.proven ? "proven" : "not proven";
  out.text =
      std::abs(out.extra_s) <= 2 * options_.gap * plan_.objective_s
          ? fmt::format("a plan that uses {} is as fast ({})", out.server, proof)
      : out.extra_s > 0
          ? fmt::format("the best plan that uses {} takes {} longer ({})", out.server, by, proof)
          : fmt::format("a plan that uses {} is {} faster: this plan is not the best one", out.server, by);
  return out;
}

absl::StatusOr<Explanation> Explainer::Run(const std::vector<Resource>& resources) {
  const Evaluation e = Evaluate(problem_, plan_.assignment);
  if (!e.ok()) return InvalidArgument("the plan to explain breaks a limit: {}", e.Text());
  Explanation out;
  std::vector<int> unused;
  for (int n = 0; n < problem_.servers; ++n)
    if (e.servers[static_cast<size_t>(n)].stages == 0) unused.push_back(n);
  steps_ = static_cast<int>(resources.size() + unused.size());
  for (const Resource& resource : resources) {
    Report(resource.name);
    out.limits.push_back(Ask(resource));
    if (Stopped()) return absl::CancelledError("interrupted");
  }
  for (const int n : unused) {
    Report(problem_.server_names[static_cast<size_t>(n)] + ", which is not used");
    out.unused.push_back(Unused(n));
    if (Stopped()) return absl::CancelledError("interrupted");
  }
  std::stable_sort(out.limits.begin(), out.limits.end(),
                   [](const LimitWorth& a, const LimitWorth& b) { return a.all_s > b.all_s; });
  out.seconds = watch_.Seconds();
  return out;
}

}  // namespace

absl::StatusOr<Explanation> ExplainPlan(const Problem& problem, const SolveResult& plan,
                                        const std::vector<Resource>& resources,
                                        const ExplainOptions& options) {
  if (!plan.HasAssignment()) return InvalidArgument("there is no plan to explain");
  return Explainer(problem, plan, options).Run(resources);
}

}  // namespace dilemma
