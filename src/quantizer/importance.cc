#include "quantizer/importance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/parallel.h"
#include "base/status.h"
#include "model/gguf_reader.h"
#include "quantizer/block_codec.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

// Inputs that the text never used still count a little.
std::vector<float> Damped(std::vector<float> importance) {
  const double sum = std::accumulate(importance.begin(), importance.end(), 0.0);
  const auto least = static_cast<float>(1e-3 * sum / static_cast<double>(importance.size()));
  for (float& value : importance) value += std::max(least, 1e-30F);
  return importance;
}

absl::StatusOr<std::vector<float>> ParseColumns(const JsonField& entry) {
  ASSIGN_OR_RETURN(const std::string text, entry.String("columns"));
  std::vector<float> values;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    float value = 0;
    if (!absl::SimpleAtof(word, &value) || !std::isfinite(value) || value < 0)
      return entry.Error(
          fmt::format("'columns' has '{}', which is no mean square", std::string(word.substr(0, 20))));
    values.push_back(value);
  }
  return values;
}

}  // namespace

Json ImportanceToJson(const Importance& importance) {
  Json list = Json::array();
  for (const auto& [tensor, values] : importance) {
    std::string columns;
    for (const float value : values) columns += fmt::format("{}{:.4g}", columns.empty() ? "" : " ", value);
    list.push_back({{"tensor", tensor}, {"columns", std::move(columns)}});
  }
  return list;
}

absl::StatusOr<Importance> ImportanceFromJson(const JsonField& json) {
  Importance importance;
  if (json.Missing("importance")) return importance;
  ASSIGN_OR_RETURN(const auto list, json.Items("importance"));
  for (const JsonField& entry : list) {
    ASSIGN_OR_RETURN(const std::string tensor, entry.String("tensor"));
    ASSIGN_OR_RETURN(importance[tensor], ParseColumns(entry));
  }
  return importance;
}

absl::StatusOr<Importance> ReadImportance(const std::filesystem::path& quality_file) {
  ASSIGN_OR_RETURN(const Json document, ReadJson(quality_file));
  const JsonField json(document, quality_file.string());
  RETURN_IF_ERROR(json.CheckFormat("dilemma-quality", 1, "dilemma sensitivity"));
  return ImportanceFromJson(json);
}

absl::StatusOr<std::string> RoundByImportance(std::span<const float> weights,
                                              std::span<const float> importance, TensorType type,
                                              std::span<float> values) {
  ASSIGN_OR_RETURN(const auto codec, BlockCodec::Create(type));
  const size_t size = static_cast<size_t>(codec->block_size()), columns = importance.size();
  if (columns == 0 || columns % size != 0 || weights.size() % columns != 0) {
    return InvalidArgument("{} weights in rows of {} cannot be {}", weights.size(), columns, Name(type));
  }
  const size_t rows = weights.size() / columns,
               row_bytes = static_cast<size_t>(RowBytes(type, static_cast<int64_t>(columns)));
  std::string bytes(rows * row_bytes, '\0');
  ParallelFor(static_cast<int64_t>(rows), [&](int64_t first, int64_t last) {
    BlockGrid grid;
    std::array<uint8_t, kMaxBlock> codes;
    for (size_t at = static_cast<size_t>(first) * columns; at < static_cast<size_t>(last) * columns;
         at += size) {
      const float* from = &weights[at];
      char* block =
          &bytes[at / columns * row_bytes + at % columns / size * static_cast<size_t>(codec->block_bytes())];
      codec->FitScales(from, &importance[at % columns], block, grid);
      for (size_t j = 0; j < size; ++j) {
        float value;
        codes[j] = static_cast<uint8_t>(codec->Nearest(grid, static_cast<int>(j), from[j], value));
        if (!values.empty()) values[at + j] = value;
      }
      codec->Pack(codes.data(), block);
    }
  });
  return bytes;
}

TensorBytes QuantizeByImportance(const ModelInfo& model, Importance importance) {
  if (importance.empty()) return nullptr;
  for (auto& [tensor, values] : importance) values = Damped(std::move(values));
  return [path = model.path, importance = std::move(importance)](
             const TensorInfo& tensor, TensorType type) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(std::string bytes, ReadTensorBytes(path, tensor));
    if (type == tensor.type) return bytes;
    const std::vector<float> weights = Dequantize(bytes, tensor.type, tensor.shape[0]);
    const auto found = importance.find(tensor.name);
    if (found == importance.end() || !IsQuantized(type)) return Quantize(weights, type, tensor.shape[0]);
    if (static_cast<int64_t>(found->second.size()) != tensor.shape[0]) {
      return InvalidArgument("the importance of {} has {} columns and the tensor {}; it is of another model",
                             tensor.name, found->second.size(), tensor.shape[0]);
    }
    return RoundByImportance(weights, found->second, type);
  };
}

}  // namespace dilemma
