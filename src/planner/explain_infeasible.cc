// The least change of one resource that makes an impossible problem possible: the problem is solved again
// with that resource's use as the objective and its limit lifted, so that the optimum is the limit it needs.
#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/units.h"
#include "planner/explain.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

// No costs at all: what remains is the question whether the limits can be kept. The objective counts
// prefill_s alone, so decode_s stays as it is for the limits on compute time.
Problem WithoutCosts(const Problem& problem) {
  Problem p = problem;
  p.objective = Objective::kLatency;
  p.decode_steps = 0;
  p.move_s.clear();
  for (Times* times : {&p.stage, &p.hop, &p.entry, &p.exit, &p.ring, &p.link_busy})
    times->prefill_s.assign(times->size(), 0.0);
  for (double& cost : p.compute.prefill_s)
    if (std::isfinite(cost)) cost = 0;
  return p;
}

SolveResult SolveFor(const Problem& p, const SolveOptions& options) {
  return MakeSolver(kDefaultSolver).value()->Solve(p, options);
}

class Explainer {
 public:
  Explainer(const Problem& problem, const SolveOptions& options) : problem_(problem), options_(options) {}

  Infeasibility Run() {
    AskLoss();
    AskAllMemory();
    for (int n = 0; n < problem_.servers; ++n) AskMemory(n);
    if (problem_.one_block_per_server) {
      Problem p = WithoutCosts(problem_);
      p.one_block_per_server = false;
      AskDropped("one block per server", p);
    }
    if (problem_.max_servers > 0) {
      Problem p = WithoutCosts(problem_);
      p.max_servers = 0;
      AskDropped("largest number of servers", p);
    }
    out_.reason = Reason();
    return std::move(out_);
  }

 private:
  Remedy Start(std::string resource, const SolveResult& result) const {
    Remedy remedy;
    remedy.resource = std::move(resource);
    remedy.possible = result.HasAssignment();
    remedy.proven = result.status == SolveStatus::kOptimal || result.status == SolveStatus::kInfeasible;
    return remedy;
  }

  void Add(Remedy remedy, const std::string& change) {
    const char* proof = remedy.proven ? "proven" : "not proven";
    remedy.text = remedy.possible
                      ? fmt::format("{}: {} makes it possible (least, {})", remedy.resource, change, proof)
                      : fmt::format("{}: no change of it alone helps ({})", remedy.resource, proof);
    out_.remedies.push_back(std::move(remedy));
  }

  void AskLoss() {
    if (std::isinf(problem_.loss_budget)) return;
    Problem p = WithoutCosts(problem_);
    p.loss_budget = kNever;
    const double unit = problem_.loss_budget > 0 ? problem_.loss_budget : 1;
    for (int u = 0; u < p.units; ++u)
      for (int n = 0; n < p.servers; ++n)
        for (int q = 0; q < p.types; ++q)
          if (p.Possible(u, n, q)) p.compute.prefill_s[p.At(u, n, q)] = p.loss[p.Uq(u, q)] / unit;
    p.Fold();
    const SolveResult result = SolveFor(p, options_);
    Remedy remedy = Start("loss budget", result);
    remedy.from = problem_.loss_budget;
    if (remedy.possible) remedy.to = Evaluate(problem_, result.assignment).loss;
    Add(remedy, fmt::format("{:.6g} -> {:.6g}", remedy.from, remedy.to));
  }

  void AskMemory(int n) {
    const auto i = static_cast<size_t>(n);
    Problem p = WithoutCosts(problem_);
    p.memory_bytes[i] = kNoLimit / 4;
    double total = 1;
    for (int u = 0; u < p.units; ++u)
      for (int q = 0; q < p.types; ++q)
        if (p.Offered(u, q)) total = std::max(total, static_cast<double>(p.Bytes(u, n, q)));
    for (int u = 0; u < p.units; ++u)
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q))
          p.compute.prefill_s[p.At(u, n, q)] = static_cast<double>(p.Bytes(u, n, q)) / total;
    p.stage.prefill_s[i] = static_cast<double>(p.stage_bytes[i]) / total;
    p.Fold();
    const SolveResult result = SolveFor(p, options_);
    Remedy remedy = Start(fmt::format("memory of {}", p.server_names[i]), result);
    remedy.from = static_cast<double>(problem_.memory_bytes[i]);
    if (remedy.possible)
      remedy.to = static_cast<double>(Evaluate(p, result.assignment).servers[i].memory_bytes);
    Add(remedy, fmt::format("{} -> {}", FormatBytes(problem_.memory_bytes[i]),
                            FormatBytes(static_cast<int64_t>(remedy.to))));
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
    const SolveResult result = SolveFor(p, options_);
    Remedy remedy = Start("memory of every server", result);
    remedy.from = 1;
    remedy.to = remedy.possible ? result.objective_s : 0;
    Add(remedy, fmt::format("{:.4g} times as much on each", remedy.to));
  }

  void AskDropped(std::string resource, Problem p) {
    p.Fold();
    const SolveResult result = SolveFor(p, options_);
    Remedy remedy = Start(std::move(resource), result);
    Add(remedy, "dropping this limit");
  }

  std::string Reason() const {
    for (const Remedy& remedy : out_.remedies)
      if (remedy.possible) return remedy.text;
    return "no change of one resource alone makes it possible";
  }

  const Problem& problem_;
  const SolveOptions& options_;
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
