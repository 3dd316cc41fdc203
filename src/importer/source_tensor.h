// A tensor as it lies in a file of weights, and the little that its readers share. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

enum class SourceType { kF32, kF16, kBF16 };
std::string_view Name(SourceType type);  // "F32", "F16", "BF16"
int64_t Bytes(SourceType type);          // of one element

struct SourceTensor {
  std::string name;            // as in the file: "model.decoder.layers.0.fc1.weight"
  std::vector<int64_t> shape;  // slowest dimension first, as PyTorch prints it: {rows, row length}
  SourceType type = SourceType::kF32;
  // Where the data are. safetensors: `offset` counts from the start of the file. PyTorch: `entry` is the
  // archive's entry, `offset` counts from its start.
  std::string entry;
  int64_t offset = 0;
  int64_t bytes = 0;
};

std::string ShapeText(const std::vector<int64_t>& shape);  // "[512, 1024]"

// Bytes of a tensor; nothing where a dimension is negative or the product does not fit a file.
std::optional<int64_t> TensorBytes(const std::vector<int64_t>& shape, SourceType type);

// Little-endian elements to floats; `bytes` holds a whole number of them.
std::vector<float> ToFloats(std::string_view bytes, SourceType type);

}  // namespace dilemma
