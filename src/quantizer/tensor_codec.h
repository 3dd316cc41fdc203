// Weights between tensor types, with ggml's reference code. Rows are independent, so the work is spread over
// threads and the result does not depend on how many there are. Thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tensor_type.h"

namespace dilemma {

// `bytes` holds rows of `row_length` weights in `type`; the result has as many floats as there are weights.
std::vector<float> Dequantize(std::string_view bytes, TensorType type, int64_t row_length);

// `importance`: a weight for each column's squared error, or empty. kInvalidArgument where the type does not
// admit the row length or cannot be made without importance.
absl::StatusOr<std::string> Quantize(std::span<const float> weights, TensorType type, int64_t row_length,
                                     std::span<const float> importance = {});

}  // namespace dilemma
