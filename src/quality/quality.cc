#include "quality/quality.h"

#include <algorithm>

#include "base/status.h"

namespace dilemma {
namespace {
constexpr int kVersion = 1;
}  // namespace

std::string_view Name(LossKind kind) { return kind == LossKind::kWeight ? "weight" : "measured"; }

const Choice* QualityTable::Find(int unit, const TypeMix& mix) const {
  if (unit < 0 || static_cast<size_t>(unit) >= units.size()) return nullptr;
  const auto& choices = units[static_cast<size_t>(unit)].choices;
  const auto it = std::find_if(choices.begin(), choices.end(), [&](const Choice& c) { return c.mix == mix; });
  return it == choices.end() ? nullptr : &*it;
}

Json QualityToJson(const QualityTable& table) {
  Json units = Json::array();
  for (const UnitQuality& unit : table.units) {
    Json choices = Json::array();
    for (const Choice& choice : unit.choices) {
      choices.push_back({{"type", choice.mix.ToString()}, {"bytes", choice.bytes}, {"loss", choice.loss}});
    }
    units.push_back({{"unit", unit.unit}, {"choices", std::move(choices)}});
  }
  return {{"format", "dilemma-quality"},
          {"version", kVersion},
          {"loss", std::string(Name(table.kind))},
          {"model", table.model},
          {"units", std::move(units)}};
}

absl::StatusOr<QualityTable> QualityFromJson(const JsonField& json) {
  RETURN_IF_ERROR(json.CheckFormat("dilemma-quality", kVersion, "dilemma sensitivity"));
  QualityTable table;
  ASSIGN_OR_RETURN(const std::string kind, json.String("loss"));
  if (kind != "weight" && kind != "measured") return json.Error("'loss' must be \"weight\" or \"measured\"");
  table.kind = kind == "weight" ? LossKind::kWeight : LossKind::kMeasured;
  ASSIGN_OR_RETURN(table.model, json.String("model"));
  ASSIGN_OR_RETURN(const auto units, json.Items("units"));
  for (const JsonField& item : units) {
    UnitQuality unit;
    ASSIGN_OR_RETURN(unit.unit, item.String("unit"));
    ASSIGN_OR_RETURN(const auto choices, item.Items("choices"));
    if (choices.empty()) return item.Error("'choices' is empty");
    for (const JsonField& entry : choices) {
      Choice choice;
      ASSIGN_OR_RETURN(const std::string type, entry.String("type"));
      auto mix = TypeMix::Parse(type);
      if (!mix.ok()) return entry.Error(Message(mix.status()));
      choice.mix = *std::move(mix);
      ASSIGN_OR_RETURN(choice.bytes, entry.Integer("bytes"));
      ASSIGN_OR_RETURN(choice.loss, entry.Number("loss"));
      if (choice.bytes <= 0) return entry.Error("'bytes' must be above 0");
      if (choice.loss < 0) return entry.Error("'loss' is negative");
      unit.choices.push_back(std::move(choice));
    }
    table.units.push_back(std::move(unit));
  }
  return table;
}

absl::StatusOr<QualityTable> ReadQuality(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  return QualityFromJson(JsonField(json, path.string()));
}

}  // namespace dilemma
