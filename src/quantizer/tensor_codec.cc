#include "quantizer/tensor_codec.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/status.h"
#include "ggml.h"

namespace dilemma {

std::vector<float> Dequantize(std::string_view bytes, TensorType type, int64_t row_length) {
  const int64_t row_bytes = RowBytes(type, row_length);
  const int64_t rows = static_cast<int64_t>(bytes.size()) / row_bytes;
  std::vector<float> weights(static_cast<size_t>(rows * row_length));
  if (type.ggml == GGML_TYPE_F32) {
    std::memcpy(weights.data(), bytes.data(), weights.size() * sizeof(float));
    return weights;
  }
  const ggml_to_float_t to_float = ggml_get_type_traits(static_cast<ggml_type>(type.ggml))->to_float;
  ParallelFor(rows, [&](int64_t first, int64_t last) {
    to_float(bytes.data() + first * row_bytes, weights.data() + first * row_length,
             (last - first) * row_length);
  });
  return weights;
}

absl::StatusOr<std::string> Quantize(std::span<const float> weights, TensorType type, int64_t row_length,
                                     std::span<const float> importance) {
  if (!Admits(type, row_length) || weights.size() % static_cast<size_t>(row_length) != 0) {
    return InvalidArgument("rows of {} weights cannot be {} (blocks of {})", row_length, Name(type),
                           BlockSize(type));
  }
  if (!importance.empty() && static_cast<int64_t>(importance.size()) != row_length) {
    return InvalidArgument("importance has {} columns for rows of {} weights", importance.size(), row_length);
  }
  const auto ggml = static_cast<ggml_type>(type.ggml);
  if (!CanBeMade(type)) return InvalidArgument("weights cannot be {}", Name(type));
  if (importance.empty() && ggml_quantize_requires_imatrix(ggml)) {
    return InvalidArgument("{} cannot be made without an importance matrix", Name(type));
  }
  const int64_t rows = static_cast<int64_t>(weights.size()) / row_length;
  std::string bytes(static_cast<size_t>(rows * RowBytes(type, row_length)), '\0');
  if (type.ggml == GGML_TYPE_F32) {
    std::memcpy(bytes.data(), weights.data(), bytes.size());
    return bytes;
  }
  ggml_quantize_init(ggml);
  ParallelFor(rows, [&](int64_t first, int64_t last) {
    ggml_quantize_chunk(ggml, weights.data(), bytes.data(), first * row_length, last - first, row_length,
                        importance.empty() ? nullptr : importance.data());
  });
  return bytes;
}

}  // namespace dilemma
