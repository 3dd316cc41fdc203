#include "planner/baselines.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/clock.h"
#include "base/status.h"
#include "planner/relaxed_baselines.h"
#include "planner/split_baselines.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

using Candidates = std::function<std::vector<Assignment>(const Problem&, const SolveOptions&)>;

// A rule that needs no options.
Candidates Rule(std::vector<Assignment> (*rule)(const Problem&)) {
  return [rule](const Problem& problem, const SolveOptions&) { return rule(problem); };
}

Candidates CandidatesOf(std::string_view name) {
  if (name == "even-split") return Rule(EvenSplits);
  if (name == "memory-proportional") return Rule(MemoryProportionalSplits);
  if (name == "greedy-memory") return Rule(GreedyMemorySplits);
  if (name == "edgeshard") return Rule(EdgeShardPlans);
  if (name == "place-then-quantize") return PlaceThenQuantize;
  if (name == "quantize-then-place") return QuantizeThenPlace;
  if (name == "halda-like") return HaldaLike;
  if (name == "llm-pq-like") return LlmPqLike;
  return nullptr;
}

// Of what stands in the way, the least: the sum of violations relative to what is there.
double Shortfall(const Problem& p, const Evaluation& e) {
  double sum = 0;
  for (const Violation& v : e.violations) {
    double limit = 1;
    if (v.kind == LimitKind::kMemory)
      limit = static_cast<double>(p.memory_bytes[static_cast<size_t>(v.server)]);
    if (v.kind == LimitKind::kDisk) limit = static_cast<double>(p.disk_bytes[static_cast<size_t>(v.server)]);
    if (v.kind == LimitKind::kLoss) limit = p.loss_budget;
    if (v.kind == LimitKind::kSize) limit = static_cast<double>(p.size_budget);
    sum += v.amount / std::max(limit, 1e-12);
  }
  return sum;
}

}  // namespace

const std::vector<Baseline>& Baselines() {
  static const auto& all = *new std::vector<Baseline>{
      {"even-split", "equal numbers of units, one uniform type"},
      {"memory-proportional", "units in proportion to memory, one uniform type (llama.cpp, exo)"},
      {"greedy-memory", "largest memory first, filled until full, one uniform type"},
      {"edgeshard", "EdgeShard's dynamic program at each uniform type"},
      {"place-then-quantize", "placement for the smallest types first, then the best types for it"},
      {"quantize-then-place", "types for the total memory first, then the best placement of those"},
      {"halda-like", "placement by compute and memory, links ignored, at each uniform type"},
      {"llm-pq-like", "quality as a soft term, links taken as overlapped with compute"},
  };
  return all;
}

absl::StatusOr<SolveResult> RunBaseline(std::string_view name, const Problem& problem,
                                        const SolveOptions& options) {
  const Candidates candidates = CandidatesOf(name);
  if (candidates == nullptr) {
    std::string names;
    for (const Baseline& baseline : Baselines())
      names += (names.empty() ? "" : ", ") + std::string(baseline.name);
    return InvalidArgument("there is no baseline '{}': the baselines are {}", name, names);
  }
  const Stopwatch watch;
  SolveResult result;
  result.method = name;
  result.reason = "the method finds no complete placement in the memory there is";
  double least = kNever;
  for (const Assignment& assignment : candidates(problem, options)) {
    const Evaluation evaluation = Evaluate(problem, assignment);
    if (evaluation.ok() && evaluation.objective_s < result.objective_s) {
      result.objective_s = evaluation.objective_s;
      result.assignment = assignment;
    } else if (const double shortfall = Shortfall(problem, evaluation);
               !evaluation.ok() && shortfall < least) {
      least = shortfall;
      if (!result.HasAssignment()) result.reason = evaluation.Text();
    }
  }
  result.status = result.HasAssignment() ? SolveStatus::kFeasible : SolveStatus::kInfeasible;
  if (result.HasAssignment()) result.reason.clear();
  result.seconds = watch.Seconds();
  return result;
}

}  // namespace dilemma
