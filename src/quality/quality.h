// How much each unit loses at each type mix, and how a budget is said. Plain data with a JSON form
// (docs/formats.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/model.h"

namespace dilemma {

// kWeight is the paper's loss (DILEMMA, arXiv 2503.01704): normalised teacher/student weight difference,
// added over units. kMeasured is in nats of KL divergence at the model's output.
enum class LossKind { kWeight, kMeasured };
std::string_view Name(LossKind kind);

struct Choice {
  TypeMix mix;
  int64_t bytes = 0;  // of the unit's tensors under the mix
  double loss = 0;    // >= 0; additive over units
};

struct UnitQuality {
  std::string unit;             // Unit::Label()
  std::vector<Choice> choices;  // the unit's menu, by descending bytes
};

struct QualityTable {
  LossKind kind = LossKind::kWeight;
  std::string model;               // ModelInfo::name
  std::vector<UnitQuality> units;  // as many as the model has

  const Choice* Find(int unit, const TypeMix& mix) const;  // nullptr where the mix is not on the menu
};

Json QualityToJson(const QualityTable& table);
absl::StatusOr<QualityTable> QualityFromJson(const JsonField& json);
absl::StatusOr<QualityTable> ReadQuality(const std::filesystem::path& path);

}  // namespace dilemma
