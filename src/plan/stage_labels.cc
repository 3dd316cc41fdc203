#include "plan/stage_labels.h"

#include <algorithm>

#include "base/status.h"

namespace dilemma {

std::string UnitLabels(const Plan& plan, const PlanStage& stage) {
  const int head = plan.units() - 1;
  const int first = std::max(0, stage.first_unit - 1), last = std::min(head, stage.last_unit + 1) - 2;
  std::string text = stage.first_unit == 0 ? "embedding" : "";
  if (first <= last) {
    text += text.empty() ? "" : " + ";
    text += first == last ? fmt::format("layer {}", first) : fmt::format("layers {}-{}", first, last);
  }
  if (stage.last_unit == head) text += text.empty() ? "head" : " + head";
  return text;
}

std::string TypeSummary(const std::vector<TypeMix>& types) {
  std::vector<std::pair<std::string, int>> counts;
  for (const TypeMix& mix : types) {
    const std::string text = mix.ToString();
    const auto it =
        std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == text; });
    if (it == counts.end()) {
      counts.emplace_back(text, 1);
    } else {
      ++it->second;
    }
  }
  if (counts.size() == 1) return counts[0].first;
  std::string out;
  for (const auto& [text, count] : counts)
    out += fmt::format("{}{} x{}", out.empty() ? "" : ", ", text, count);
  return out;
}

}  // namespace dilemma
