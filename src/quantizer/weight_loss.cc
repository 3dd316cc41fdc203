#include "quantizer/weight_loss.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/status.h"
#include "model/gguf_reader.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

struct SquaredError {
  double difference = 0, weights = 0;
};

// Evenly spaced rows of a tensor, as floats.
std::vector<float> SampleRows(const TensorInfo& tensor, const std::string& bytes) {
  const int64_t row = tensor.shape[0], rows = tensor.rows();
  const int64_t wanted = std::clamp<int64_t>(kSampledWeights / row, 1, rows);
  const auto row_bytes = static_cast<size_t>(RowBytes(tensor.type, row));
  std::string sample;
  sample.reserve(static_cast<size_t>(wanted) * row_bytes);
  for (int64_t i = 0; i < wanted; ++i)
    sample.append(bytes, static_cast<size_t>(i * rows / wanted) * row_bytes, row_bytes);
  return Dequantize(sample, tensor.type, row);
}

absl::StatusOr<SquaredError> ErrorOf(std::span<const float> weights, int64_t row_length, TensorType type) {
  ASSIGN_OR_RETURN(const std::string bytes, Quantize(weights, type, row_length));
  const std::vector<float> quantized = Dequantize(bytes, type, row_length);
  SquaredError error;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double difference = static_cast<double>(weights[i]) - static_cast<double>(quantized[i]);
    error.difference += difference * difference;
    error.weights += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
  }
  return error;
}

bool Admitted(const Unit& unit, const TypeMix& mix) { return UnitBytes(unit, mix).ok(); }

std::vector<TypeMix> MenuOf(const Unit& unit, std::span<const TypeMix> menu,
                            const std::vector<TensorType>& source) {
  std::vector<TypeMix> mixes;
  if (menu.empty()) {
    for (const TensorType type : UnitMenu(unit)) {
      if (std::find(source.begin(), source.end(), type) == source.end()) mixes.push_back({type, {}});
    }
  } else {
    for (const TypeMix& mix : menu) {
      if (Admitted(unit, mix)) mixes.push_back(mix);
    }
  }
  return mixes;
}

// Quantization errors of one unit, each tensor and type tried once.
class UnitErrors {
 public:
  UnitErrors(const ModelInfo& model, const Unit& unit) : model_(model), unit_(unit) {}

  absl::StatusOr<double> Loss(const TypeMix& mix) {
    SquaredError sum;
    for (const TensorInfo& tensor : unit_.tensors) {
      if (!tensor.quantizable) continue;
      ASSIGN_OR_RETURN(const SquaredError error, Of(tensor, mix.For(TensorRole(tensor.name))));
      sum.difference += error.difference;
      sum.weights += error.weights;
    }
    return sum.weights > 0 ? sum.difference / sum.weights : 0.0;
  }

 private:
  absl::StatusOr<SquaredError> Of(const TensorInfo& tensor, TensorType type) {
    const auto key = std::pair(tensor.name, type.ggml);
    const auto known = errors_.find(key);
    if (known != errors_.end()) return known->second;
    auto rows = rows_.find(tensor.name);
    if (rows == rows_.end()) {
      ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(model_.path, tensor));
      rows = rows_.emplace(tensor.name, SampleRows(tensor, bytes)).first;
    }
    auto error = ErrorOf(rows->second, tensor.shape[0], type);
    if (!error.ok()) return Annotate(error.status(), fmt::format("tensor '{}'", tensor.name));
    return errors_[key] = *error;
  }

  const ModelInfo& model_;
  const Unit& unit_;
  std::map<std::string, std::vector<float>> rows_;
  std::map<std::pair<std::string, int>, SquaredError> errors_;
};

}  // namespace

std::vector<TensorType> OnSourceGrid(const ModelInfo& model) {
  std::vector<TensorType> types;
  for (const Unit& unit : model.units) {
    for (const TensorInfo& tensor : unit.tensors) {
      if (unit.kind != UnitKind::kLayer || !tensor.quantizable || !IsQuantized(tensor.type)) continue;
      if (std::find(types.begin(), types.end(), tensor.type) == types.end()) types.push_back(tensor.type);
    }
  }
  return types;
}

absl::StatusOr<QualityTable> WeightLoss(const ModelInfo& model, std::span<const TypeMix> menu,
                                        const LossProgress& progress) {
  QualityTable table;
  table.kind = LossKind::kWeight;
  table.model = model.name;
  const std::vector<TensorType> source = OnSourceGrid(model);
  const int total = static_cast<int>(model.units.size());
  for (int u = 0; u < total; ++u) {
    if (progress && !progress(u, total)) return absl::CancelledError("interrupted");
    const Unit& unit = model.units[static_cast<size_t>(u)];
    UnitQuality quality;
    quality.unit = unit.Label();
    UnitErrors errors(model, unit);
    for (const TypeMix& mix : MenuOf(unit, menu, source)) {
      ASSIGN_OR_RETURN(const int64_t bytes, UnitBytes(unit, mix));
      ASSIGN_OR_RETURN(const double loss, errors.Loss(mix));
      quality.choices.push_back({mix, bytes, loss});
    }
    if (quality.choices.empty()) {
      return InvalidArgument(
          "no type of the menu fits the rows of {}; its rows admit other types, see `dilemma inspect`",
          quality.unit);
    }
    std::stable_sort(quality.choices.begin(), quality.choices.end(),
                     [](const Choice& a, const Choice& b) { return a.bytes > b.bytes; });
    table.units.push_back(std::move(quality));
  }
  return table;
}

}  // namespace dilemma
