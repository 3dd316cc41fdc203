#include "quantizer/tensor_codec.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "base/status.h"
#include "ggml.h"

namespace dilemma {

void ParallelFor(int64_t count, const std::function<void(int64_t, int64_t)>& body, int threads) {
  const int64_t cores = threads > 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
  const int64_t workers = std::min(cores, count);
  if (workers <= 1) {
    if (count > 0) body(0, count);
    return;
  }
  const int64_t step = std::max<int64_t>(1, count / (workers * 8));
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t first = next.fetch_add(step); first < count; first = next.fetch_add(step)) {
      body(first, std::min(count, first + step));
    }
  };
  std::vector<std::jthread> pool;
  for (int64_t i = 1; i < workers; ++i) pool.emplace_back(work);
  work();
}

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
