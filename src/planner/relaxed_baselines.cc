#include "planner/relaxed_baselines.h"

#include <algorithm>
#include <cmath>

#include "planner/exact_solver.h"
#include "planner/uniform_types.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kGap = 1e-3;       // of the simpler problems
constexpr double kLeastFill = 0.5;  // quantize-then-place: share of the total memory that types may take
constexpr double kFillStep = 0.02;
constexpr int kWeightSteps = 12;  // llm-pq-like: bisection steps on the weight of quality

SolveResult SolveSimpler(const Problem& problem, const SolveOptions& options) {
  SolveOptions simpler;
  simpler.gap = kGap;
  simpler.time_limit_s = options.time_limit_s;
  simpler.stop = options.stop;
  return MakeExactSolver(/*borrow=*/false)->Solve(problem, simpler);
}

// Takes all but one type of every unit from the menus.
Problem WithTypes(const Problem& problem, const std::vector<int>& types) {
  Problem fixed = problem;
  for (int u = 0; u < fixed.units; ++u)
    for (int q = 0; q < fixed.types; ++q)
      if (q != types[static_cast<size_t>(u)]) fixed.offered[fixed.Uq(u, q)] = 0;
  return fixed;
}

Problem WithServers(const Problem& problem, const Assignment& assignment) {
  Problem fixed = problem;
  for (int u = 0; u < fixed.units; ++u)
    for (int n = 0; n < fixed.servers; ++n)
      if (n != assignment[static_cast<size_t>(u)].server) fixed.allowed[fixed.Un(u, n)] = 0;
  return fixed;
}

void DropLinks(Problem& problem) {
  for (Times* times : {&problem.hop, &problem.entry, &problem.exit, &problem.ring})
    times->Resize(times->size());
}

std::vector<int> SmallestTypes(const Problem& p) {
  std::vector<int> types;
  for (int u = 0; u < p.units; ++u) {
    int best = -1;
    for (int q = 0; q < p.types; ++q)
      if (p.Offered(u, q) && (best < 0 || p.weight_bytes[p.Uq(u, q)] < p.weight_bytes[p.Uq(u, best)]))
        best = q;
    types.push_back(best);
  }
  return types;
}

// Least loss within `bytes` of weights in all: starts from the smallest types and takes, again and again, the
// step with the most loss saved per byte.
std::vector<int> TypesWithin(const Problem& p, int64_t bytes) {
  std::vector<int> types = SmallestTypes(p);
  for (int u = 0; u < p.units; ++u) bytes -= p.weight_bytes[p.Uq(u, types[static_cast<size_t>(u)])];
  for (;;) {
    double best = 0;
    int unit = -1, type = -1;
    for (int u = 0; u < p.units; ++u) {
      const size_t now = p.Uq(u, types[static_cast<size_t>(u)]);
      for (int q = 0; q < p.types; ++q) {
        const int64_t more = p.weight_bytes[p.Uq(u, q)] - p.weight_bytes[now];
        const double saved = p.loss[now] - p.loss[p.Uq(u, q)];
        if (!p.Offered(u, q) || more <= 0 || more > bytes || saved <= best * static_cast<double>(more))
          continue;
        best = saved / static_cast<double>(more);
        unit = u;
        type = q;
      }
    }
    if (unit < 0) return types;
    int& chosen = types[static_cast<size_t>(unit)];
    bytes -= p.weight_bytes[p.Uq(unit, type)] - p.weight_bytes[p.Uq(unit, chosen)];
    chosen = type;
  }
}

// Memory of all servers, less KV cache and one stage each.
int64_t TotalForWeights(const Problem& p) {
  int64_t total = 0;
  for (int n = 0; n < p.servers; ++n)
    total +=
        std::max<int64_t>(0, p.memory_bytes[static_cast<size_t>(n)] - p.stage_bytes[static_cast<size_t>(n)]);
  for (int u = 0; u < p.units; ++u) total -= p.kv_bytes[static_cast<size_t>(u)];
  return std::max<int64_t>(0, total);
}

}  // namespace

std::vector<Assignment> PlaceThenQuantize(const Problem& problem, const SolveOptions& options) {
  Problem placing = WithTypes(problem, SmallestTypes(problem));
  placing.loss_budget = kNever;
  const SolveResult placed = SolveSimpler(placing, options);
  if (!placed.HasAssignment()) return {};
  const SolveResult quantized = SolveSimpler(WithServers(problem, placed.assignment), options);
  return {quantized.HasAssignment() ? quantized.assignment : placed.assignment};
}

std::vector<Assignment> QuantizeThenPlace(const Problem& problem, const SolveOptions& options) {
  const auto total = static_cast<double>(TotalForWeights(problem));
  std::vector<int> before;
  for (double fill = 1.0; fill > kLeastFill; fill -= kFillStep) {
    std::vector<int> types = TypesWithin(problem, static_cast<int64_t>(total * fill));
    if (types == before) continue;
    Problem placing = WithTypes(problem, types);
    placing.loss_budget = kNever;
    const SolveResult placed = SolveSimpler(placing, options);
    if (placed.HasAssignment()) return {placed.assignment};
    before = std::move(types);
  }
  return {};
}

std::vector<Assignment> HaldaLike(const Problem& problem, const SolveOptions& options) {
  std::vector<Assignment> out;
  for (const auto& types : UniformTypes(problem)) {
    Problem local = WithTypes(problem, types);
    DropLinks(local);
    local.loss_budget = kNever;
    if (const SolveResult placed = SolveSimpler(local, options); placed.HasAssignment())
      out.push_back(placed.assignment);
  }
  return out;
}

std::vector<Assignment> LlmPqLike(const Problem& problem, const SolveOptions& options) {
  Problem soft = problem;
  DropLinks(soft);
  soft.loss_budget = kNever;
  const std::vector<double> moves =
      problem.move_s.empty() ? std::vector<double>(problem.compute.size(), 0.0) : problem.move_s;
  const SolveResult fastest = SolveSimpler(soft, options);
  if (!fastest.HasAssignment()) return {};
  std::vector<Assignment> out = {fastest.assignment};
  // The weight of quality, in seconds per budget: the least that meets the budget is sought.
  double low = fastest.objective_s * 1e-3, high = fastest.objective_s * 1e3;
  for (int step = 0; step < kWeightSteps && std::isfinite(problem.loss_budget); ++step) {
    const double weight = std::sqrt(low * high);
    soft.move_s = moves;
    for (int u = 0; u < soft.units; ++u)
      for (int n = 0; n < soft.servers; ++n)
        for (int q = 0; q < soft.types; ++q)
          soft.move_s[soft.At(u, n, q)] +=
              weight * soft.loss[soft.Uq(u, q)] / std::max(problem.loss_budget, 1e-12);
    const SolveResult result = SolveSimpler(soft, options);
    if (!result.HasAssignment()) break;
    out.push_back(result.assignment);
    (Evaluate(problem, result.assignment).loss <= problem.loss_budget ? high : low) = weight;
  }
  return out;
}

}  // namespace dilemma
