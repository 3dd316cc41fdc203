#include "reproduction/completion_time.h"

#include <algorithm>

#include "base/status.h"
#include "planner/baselines.h"
#include "planner/solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr std::string_view kOurs = "ours", kNoQuantization = "no-quantization";

// The problem with F16 as the only type: no quantization, and so no loss to budget.
Problem Unquantized(Problem p) {
  for (int u = 0; u < p.units; ++u)
    for (int q = 0; q < p.types; ++q)
      if (p.type_names[p.Uq(u, q)] != "f16") p.offered[p.Uq(u, q)] = 0;
  p.loss_budget = kNever;
  return p;
}

MethodResult Measure(const Problem& problem, const SolveResult& result) {
  MethodResult out;
  out.status = Name(result.status);
  out.reason = result.reason;
  if (!result.HasAssignment()) {
    if (out.reason.empty()) out.reason = "no plan was found";
    return out;
  }
  const Evaluation e = Evaluate(problem, result.assignment);
  out.request_s = e.request_s;
  out.decode_s = e.decode_s;
  out.prefill_s = e.prefill_s;
  out.loss = e.loss;
  out.gap = result.gap;
  for (const StageUse& stage : e.stages) out.weight_bytes += stage.weight_bytes;
  out.servers = static_cast<int>(
      std::count_if(e.servers.begin(), e.servers.end(), [](const ServerUse& use) { return use.stages > 0; }));
  return out;
}

// With the budget where the method can keep it, else its fastest plan.
absl::StatusOr<MethodResult> Others(std::string_view name, const Problem& problem,
                                    const SolveOptions& options) {
  ASSIGN_OR_RETURN(const SolveResult within, RunBaseline(name, problem, options));
  if (within.HasAssignment()) return Measure(problem, within);
  Problem free = problem;
  free.loss_budget = kNever;
  ASSIGN_OR_RETURN(const SolveResult beyond, RunBaseline(name, free, options));
  MethodResult out = Measure(free, beyond);
  out.within_budget = false;
  if (beyond.HasAssignment()) out.reason = within.reason;
  return out;
}

}  // namespace

const std::vector<Method>& StudyMethods() {
  static const auto& methods = *new std::vector<Method>{
      {kOurs, "ours: joint"},
      {"place-then-quantize", "place, then quantize"},
      {"quantize-then-place", "quantize, then place"},
      {"edgeshard", "EdgeShard's DP"},
      {"greedy-memory", "greedy"},
      {"even-split", "even split"},
      {kNoQuantization, "ILP without quantization"},
  };
  return methods;
}

absl::StatusOr<std::vector<MethodResult>> CompareMethods(const Problem& problem, double at,
                                                         const CompletionOptions& options,
                                                         const StudyControl& control) {
  SolveOptions solve;
  solve.time_limit_s = options.time_limit_s;
  solve.gap = options.gap;
  solve.stop = control.stop;
  std::vector<MethodResult> out;
  for (const Method& method : StudyMethods()) {
    if (control.stop && control.stop()) return absl::CancelledError("interrupted");
    MethodResult completion;
    if (method.name == kOurs || method.name == kNoQuantization) {
      const Problem p = method.name == kOurs ? problem : Unquantized(problem);
      ASSIGN_OR_RETURN(const auto solver, MakeSolver(kDefaultSolver));
      completion = Measure(p, solver->Solve(p, solve));
    } else {
      ASSIGN_OR_RETURN(completion, Others(method.name, problem, solve));
    }
    completion.at = at;
    completion.method = method.name;
    out.push_back(std::move(completion));
  }
  if (control.stop && control.stop()) return absl::CancelledError("interrupted");
  return out;
}

}  // namespace dilemma
