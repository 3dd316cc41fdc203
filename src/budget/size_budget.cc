#include "budget/size_budget.h"

#include <algorithm>
#include <queue>
#include <vector>

#include "base/status.h"
#include "base/units.h"

namespace dilemma {
namespace {

// From one choice of a unit to a larger, better one.
struct Step {
  double worth = 0;  // loss saved a byte
  size_t unit = 0;
  int to = -1;
};

// The step from choice `now` that saves most a byte: the next corner of the convex edge.
Step BestStep(const UnitQuality& unit, size_t index, int now) {
  const Choice& from = unit.choices[static_cast<size_t>(now)];
  Step best;
  for (size_t i = 0; i < unit.choices.size(); ++i) {
    const Choice& choice = unit.choices[i];
    if (choice.bytes <= from.bytes || choice.loss >= from.loss) continue;
    const double worth = (from.loss - choice.loss) / static_cast<double>(choice.bytes - from.bytes);
    if (worth > best.worth) best = {worth, index, static_cast<int>(i)};
  }
  return best;
}

int Smallest(const UnitQuality& unit) {
  size_t best = 0;
  for (size_t i = 1; i < unit.choices.size(); ++i) {
    const Choice &a = unit.choices[i], &b = unit.choices[best];
    if (a.bytes < b.bytes || (a.bytes == b.bytes && a.loss < b.loss)) best = i;
  }
  return static_cast<int>(best);
}

}  // namespace

int64_t Fp32Bytes(const ModelInfo& model) { return 4 * model.parameters(); }

absl::StatusOr<SizedChoice> LeastLossWithin(const QualityTable& quality, int64_t bytes) {
  const auto less = [](const Step& a, const Step& b) { return a.worth < b.worth; };
  std::priority_queue<Step, std::vector<Step>, decltype(less)> steps(less);
  SizedChoice now;
  for (size_t u = 0; u < quality.units.size(); ++u) {
    const UnitQuality& unit = quality.units[u];
    if (unit.choices.empty()) return InvalidArgument("quality table: {} has no types", unit.unit);
    now.choices.push_back(Smallest(unit));
    const Choice& smallest = unit.choices[static_cast<size_t>(now.choices.back())];
    now.bytes += smallest.bytes;
    now.loss += smallest.loss;
    if (const Step step = BestStep(unit, u, now.choices.back()); step.to >= 0) steps.push(step);
  }
  if (now.bytes > bytes) {
    return InvalidArgument("the smallest types of the quality table take {}, and {} are allowed",
                           FormatBytes(now.bytes), FormatBytes(bytes));
  }
  while (!steps.empty()) {
    const Step step = steps.top();
    steps.pop();
    const UnitQuality& unit = quality.units[step.unit];
    const Choice& from = unit.choices[static_cast<size_t>(now.choices[step.unit])];
    const Choice& to = unit.choices[static_cast<size_t>(step.to)];
    if (now.bytes + to.bytes - from.bytes > bytes) continue;
    now.bytes += to.bytes - from.bytes;
    now.loss += to.loss - from.loss;
    now.choices[step.unit] = step.to;
    if (const Step next = BestStep(unit, step.unit, step.to); next.to >= 0) steps.push(next);
  }
  return now;
}

}  // namespace dilemma
