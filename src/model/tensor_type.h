// Tensor types (ggml's quantization formats): names, sizes, and which of them a row length admits.
// Plain values; ggml's own header stays inside tensor_type.cc. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

// The value of ggml_type; kept as an int so that ggml.h is not part of this interface.
struct TensorType {
  int ggml = 0;
  friend bool operator==(TensorType, TensorType) = default;
};

absl::StatusOr<TensorType> ParseTensorType(std::string_view name);  // "q4_0", "iq4_nl", "f16"; any case
std::string Name(TensorType type);                                  // lower case, as ggml prints it
int64_t BlockSize(TensorType type);                                 // weights in one block: 1, 32 or 256
int64_t BlockBytes(TensorType type);
double BitsPerWeight(TensorType type);                  // scales included
int64_t RowBytes(TensorType type, int64_t row_length);  // row_length is a multiple of BlockSize
bool Admits(TensorType type, int64_t row_length);
bool IsQuantized(TensorType type);
bool CanBeMade(TensorType type);  // ggml ends the process over others: integers, doubles, activations' types

// Types that a matrix with rows of this length may have, by descending bits; only types whose kernels run at
// speed on CPUs and which ggml can produce without an importance matrix. F16 first.
std::vector<TensorType> Menu(int64_t row_length);

}  // namespace dilemma
