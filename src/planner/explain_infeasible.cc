// The least change of one resource that makes an impossible problem possible: the problem is solved again
// with that resource's use as the objective and its limit lifted, so that the optimum is the limit it needs.
#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "base/units.h"
#include "planner/explain.h"
#include "planner/validate.h"
#include "planner/without_costs.h"

namespace dilemma {
namespace {

constexpr double kLeastTime_s = 0.05;

class Explainer {
 public:
  Explainer(const Problem& problem, const SolveOptions& options) : problem_(problem), options_(options) {}

  Infeasibility Run() {
    questions_ = CountQuestions();
    AskLoss();
    AskSize();
    AskAllMemory();
    for (int n = 0; n < problem_.servers; ++n) {
      AskMemory(n);
      AskDisk(n);
      AskBusy(n);
    }
    if (problem_.one_block_per_server) AskManyBlocks();
    if (problem_.max_servers > 0 && problem_.max_servers < problem_.servers) AskMaxServers();
    out_.reason = Reason();
    return std::move(out_);
  }

 private:
  int CountQuestions() const {
    int count = 3 + problem_.servers;  // loss, all memory, blocks; the memory of each
    for (const int64_t bytes : problem_.disk_bytes) count += bytes != kNoLimit ? 1 : 0;
    for (const double limit : problem_.busy_limit_s) count += std::isfinite(limit) ? 1 : 0;
    if (problem_.size_budget != kNoLimit) ++count;
    if (problem_.max_servers > 0) count += problem_.servers - problem_.max_servers;
    return count;
  }

  // The time limit is for all questions together: each gets its share of what is left.
  SolveResult SolveFor(const Problem& p) const {
    SolveOptions options = options_;
    const double left = std::max(0.0, options_.time_limit_s - watch_.Seconds());
    options.time_limit_s = std::max(kLeastTime_s, left / std::max(1, questions_ - asked_));
    ++asked_;
    return MakeSolver(kDefaultSolver).value()->Solve(p, options);
  }

  Remedy Start(std::string resource, const SolveResult& result) const {
    Remedy remedy;
    remedy.resource = std::move(resource);
    remedy.possible = result.HasAssignment();
    remedy.proven = result.status == SolveStatus::kOptimal || result.status == SolveStatus::kInfeasible;
    return remedy;
  }

  void Add(Remedy remedy, const std::string& change) {
    const char* proof = remedy.proven ? "proven" : "not proven";
    remedy.text =
        remedy.possible ? fmt::format("{}: {} makes it possible (least, {})", remedy.resource, change, proof)
        : remedy.proven
            ? fmt::format("{}: no change of it alone helps (proven)", remedy.resource)
            : fmt::format("{}: no change of it that helps was found in the time given", remedy.resource);
    out_.remedies.push_back(std::move(remedy));
  }

  void AskLoss() {
    if (std::isinf(problem_.loss_budget)) return;
    Problem p = WithoutCosts(problem_);
    p.loss_budget = kNever;
    const double unit = problem_.loss_budget > 0 ? problem_.loss_budget : 1;
    const SolveResult result =
        LeastSum(std::move(p), [&](int u, int q) { return problem_.loss[problem_.Uq(u, q)] / unit; });
    Remedy remedy = Start("loss budget", result);
    remedy.from = problem_.loss_budget;
    if (remedy.possible) remedy.to = Evaluate(problem_, result.assignment).loss;
    Add(remedy, fmt::format("{:.6g} -> {:.6g}", remedy.from, remedy.to));
  }

  void AskSize() {
    if (problem_.size_budget == kNoLimit) return;
    Problem p = WithoutCosts(problem_);
    p.size_budget = kNoLimit;
    const auto unit = static_cast<double>(std::max<int64_t>(1, problem_.size_budget));
    const SolveResult result = LeastSum(std::move(p), [&](int u, int q) {
      return static_cast<double>(problem_.weight_bytes[problem_.Uq(u, q)]) / unit;
    });
    Remedy remedy = Start("size of all weights", result);
    remedy.from = static_cast<double>(problem_.size_budget);
    if (remedy.possible) {
      const int64_t least = Evaluate(problem_, result.assignment).weight_bytes;
      remedy.to = static_cast<double>(least);
      Add(remedy, fmt::format("{} -> {}", FormatBytes(problem_.size_budget), FormatBytes(least)));
    } else {
      Add(remedy, "");
    }
  }

  // The least sum over units of `use`, in the place of a budget that `p` does not have.
  template <typename Use>
  SolveResult LeastSum(Problem p, Use use) const {
    for (int u = 0; u < p.units; ++u)
      for (int n = 0; n < p.servers; ++n)
        for (int q = 0; q < p.types; ++q)
          if (p.Possible(u, n, q)) p.compute.prefill_s[p.At(u, n, q)] = use(u, q);
    p.Fold();
    return SolveFor(p);
  }

  // The least use of a resource of server n that makes the problem possible: that use is the objective, in
  // shares of `scale`; `p` has the limit lifted. `stage`: what each stage uses besides.
  template <typename Use>
  SolveResult LeastUse(Problem p, int n, double scale, double stage, Use use) const {
    for (int u = 0; u < p.units; ++u)
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) p.compute.prefill_s[p.At(u, n, q)] = use(u, q) / scale;
    p.stage.prefill_s[static_cast<size_t>(n)] = stage / scale;
    p.Fold();
    return SolveFor(p);
  }

  // The largest use of one unit, so that objectives are about 1.
  template <typename Use>
  double LargestUse(int n, Use use) const {
    double most = 0;
    for (int u = 0; u < problem_.units; ++u)
      for (int q = 0; q < problem_.types; ++q)
        if (problem_.Possible(u, n, q)) most = std::max(most, use(u, q));
    return most > 0 ? most : 1;
  }

  void AskMemory(int n) {
    const auto i = static_cast<size_t>(n);
    Problem p = WithoutCosts(problem_);
    p.memory_bytes[i] = kNoLimit / 4;
    const auto use = [&](int u, int q) { return static_cast<double>(problem_.Bytes(u, n, q)); };
    const SolveResult result =
        LeastUse(p, n, LargestUse(n, use), static_cast<double>(problem_.stage_bytes[i]), use);
    AddBytes(n, "memory", problem_.memory_bytes[i], result,
             result.HasAssignment() ? Evaluate(p, result.assignment).servers[i].memory_bytes : 0);
  }

  void AskDisk(int n) {
    const auto i = static_cast<size_t>(n);
    if (problem_.disk_bytes[i] == kNoLimit) return;
    Problem p = WithoutCosts(problem_);
    p.disk_bytes[i] = kNoLimit;
    const auto use = [&](int u, int q) {
      return static_cast<double>(problem_.weight_bytes[problem_.Uq(u, q)]);
    };
    const SolveResult result = LeastUse(p, n, LargestUse(n, use), 0, use);
    AddBytes(n, "disk", problem_.disk_bytes[i], result,
             result.HasAssignment() ? Evaluate(p, result.assignment).servers[i].disk_bytes : 0);
  }

  void AddBytes(int n, std::string_view what, int64_t from, const SolveResult& result, int64_t to) {
    Remedy remedy =
        Start(fmt::format("{} of {}", what, problem_.server_names[static_cast<size_t>(n)]), result);
    remedy.from = static_cast<double>(from);
    remedy.to = static_cast<double>(to);
    Add(remedy, fmt::format("{} -> {}", FormatBytes(from), FormatBytes(to)));
  }

  void AskBusy(int n) {
    const auto i = static_cast<size_t>(n);
    if (std::isinf(problem_.busy_limit_s[i])) return;
    Problem p = WithoutCosts(problem_);
    p.busy_limit_s[i] = kNever;
    const auto use = [&](int u, int q) { return problem_.compute.decode_s[problem_.At(u, n, q)]; };
    const SolveResult result = LeastUse(p, n, LargestUse(n, use), problem_.stage.decode_s[i], use);
    Remedy remedy = Start(fmt::format("busy time of {}", problem_.server_names[i]), result);
    remedy.from = problem_.busy_limit_s[i];
    if (remedy.possible) remedy.to = Evaluate(p, result.assignment).servers[i].busy_s;
    Add(remedy, fmt::format("{} -> {} a token", FormatDuration(remedy.from), FormatDuration(remedy.to)));
  }

  void AskManyBlocks() {
    Problem p = WithoutCosts(problem_);
    p.one_block_per_server = false;
    p.Fold();
    Add(Start("one block per server", SolveFor(p)), "dropping this limit");
  }

  // One server more at a time: the first number with a plan is the least where all before were proven to have
  // none.
  void AskMaxServers() {
    Problem p = WithoutCosts(problem_);
    p.Fold();
    Remedy remedy;
    bool proven = true;
    for (p.max_servers = problem_.max_servers + 1; p.max_servers <= p.servers; ++p.max_servers) {
      remedy = Start("largest number of servers", SolveFor(p));
      remedy.proven = proven = proven && remedy.proven;
      remedy.from = problem_.max_servers;
      remedy.to = p.max_servers;
      if (remedy.possible) break;
    }
    Add(remedy, fmt::format("{} -> {}", remedy.from, remedy.to));
  }

  // Every server's memory by the same factor: the busiest-part objective, with memory in the place of time.
  void AskAllMemory() {
    Problem p = WithoutCosts(problem_);
    p.objective = Objective::kThroughput;
    for (int n = 0; n < p.servers; ++n) {
      const auto i = static_cast<size_t>(n);
      const double memory = static_cast<double>(std::max<int64_t>(1, p.memory_bytes[i]));
      p.memory_bytes[i] = kNoLimit / 4;
      for (int u = 0; u < p.units; ++u)
        for (int q = 0; q < p.types; ++q)
          if (p.Possible(u, n, q))
            p.compute.prefill_s[p.At(u, n, q)] = static_cast<double>(p.Bytes(u, n, q)) / memory;
      p.stage.prefill_s[i] = static_cast<double>(p.stage_bytes[i]) / memory;
    }
    p.Fold();
    const SolveResult result = SolveFor(p);
    Remedy remedy = Start("memory of every server", result);
    remedy.from = 1;
    remedy.to = remedy.possible ? result.objective_s : 0;
    Add(remedy, fmt::format("{:.4g} times as much on each", remedy.to));
  }

  std::string Reason() const {
    for (const Remedy& remedy : out_.remedies)
      if (remedy.possible) return remedy.text;
    return "no change of one resource alone makes it possible";
  }

  const Problem& problem_;
  const SolveOptions& options_;
  const Stopwatch watch_;
  int questions_ = 1;
  mutable int asked_ = 0;
  Infeasibility out_;
};

}  // namespace

Infeasibility ExplainInfeasible(const Problem& problem, const SolveOptions& options) {
  for (int u = 0; u < problem.units; ++u) {
    bool possible = false;
    for (int n = 0; n < problem.servers && !possible; ++n)
      for (int q = 0; q < problem.types && !possible; ++q) possible = problem.Possible(u, n, q);
    if (!possible) {
      Infeasibility out;
      out.proven = true;
      out.reason =
          fmt::format("{} has no server that may hold it (forbidden, untrusted, pinned or not measured)",
                      problem.unit_names[static_cast<size_t>(u)]);
      return out;
    }
  }
  Infeasibility out = Explainer(problem, options).Run();
  out.proven =
      std::all_of(out.remedies.begin(), out.remedies.end(), [](const Remedy& r) { return r.proven; });
  return out;
}

}  // namespace dilemma
