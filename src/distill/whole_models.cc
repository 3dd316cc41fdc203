#include "distill/whole_models.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/file.h"
#include "base/status.h"
#include "distill/calibration.h"
#include "distill/choose_types.h"
#include "distill/tail.h"
#include "engine/stage.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

struct Pick {
  std::vector<TypeMix> types;
  WholeModel sums;
};

Pick AtPrice(const QualityTable& table, double price) {
  Pick pick;
  for (const UnitQuality& unit : table.units) {
    const Choice& choice = unit.choices[ChoiceAtPrice(unit, price)];
    pick.types.push_back(choice.mix);
    pick.sums.bytes += choice.bytes;
    pick.sums.estimate += choice.loss;
  }
  return pick;
}

Pick AtSize(const QualityTable& table, double bytes) {
  double low = 1e-18, high = 1;
  for (int step = 0; step < 60; ++step) {
    const double price = std::sqrt(low * high);
    (static_cast<double>(AtPrice(table, price).sums.bytes) > bytes ? low : high) = price;
  }
  return AtPrice(table, high);
}

// Log probabilities at the rows that count, a window each.
absl::StatusOr<std::vector<std::vector<float>>> RunModel(const fs::path& path,
                                                         std::span<const std::vector<int32_t>> windows,
                                                         const WholeModelOptions& options) {
  const auto most = static_cast<int64_t>(LongestWindow(windows));
  ASSIGN_OR_RETURN(const auto stage, Stage::Load(path, {.context = most,
                                                        .sequences = 1,
                                                        .max_batch = most,
                                                        .threads = options.threads,
                                                        .all_logits = true}));
  std::vector<std::vector<float>> result;
  for (const auto& window : windows) {
    StageInput input;
    input.tokens = window;
    ASSIGN_OR_RETURN(auto found,
                     LogProbabilities(*stage, window.size(), static_cast<size_t>(options.rows), input));
    result.push_back(std::move(found));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::vector<WholeModel>> MeasureWholeModels(const ModelInfo& model, const QualityTable& table,
                                                           const Importance& importance,
                                                           std::span<const std::vector<int32_t>> windows,
                                                           const WholeModelOptions& options) {
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-whole"));
  const fs::path path = dir.path() / "model.gguf";
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
  RETURN_IF_ERROR(WriteWhole(model, std::vector<TypeMix>(model.units.size(), wide), path).status());
  ASSIGN_OR_RETURN(const auto teacher, RunModel(path, windows, options));
  double weights = 0;
  for (const Unit& unit : model.units) {
    for (const TensorInfo& tensor : unit.tensors) weights += static_cast<double>(tensor.elements());
  }
  const TensorBytes rounded = QuantizeByImportance(model, importance);
  std::vector<WholeModel> measured;
  for (const double bits : options.bits) {
    Pick pick = AtSize(table, bits / 8 * weights);
    if (pick.sums.estimate <= 0) continue;
    RETURN_IF_ERROR(WriteWholeFrom(model, pick.types, rounded, false, path).status());
    ASSIGN_OR_RETURN(const auto student, RunModel(path, windows, options));
    for (size_t w = 0; w < windows.size(); ++w) {
      pick.sums.kl += MeanKl(teacher[w], student[w], static_cast<size_t>(model.n_vocab)) /
                      static_cast<double>(windows.size());
    }
    measured.push_back(pick.sums);
  }
  return measured;
}

double FactorOf(std::span<const WholeModel> measured) {
  if (measured.empty()) return 1;
  double sum = 0;
  for (const WholeModel& whole : measured) sum += std::log(std::max(whole.kl, 1e-9) / whole.estimate);
  return std::exp(sum / static_cast<double>(measured.size()));
}

void ScaleLosses(QualityTable& table, double factor) {
  for (UnitQuality& unit : table.units) {
    for (Choice& choice : unit.choices) choice.loss *= factor;
  }
}

}  // namespace dilemma
