#include "importer/source_tensor.h"

#include <bit>
#include <cstring>

#include "base/status.h"
#include "fmt/ranges.h"
#include "ggml.h"

namespace dilemma {

static_assert(std::endian::native == std::endian::little, "weights are read as they lie in the file");

std::string_view Name(SourceType type) {
  switch (type) {
    case SourceType::kF32:
      return "F32";
    case SourceType::kF16:
      return "F16";
    case SourceType::kBF16:
      return "BF16";
  }
  return "?";
}

int64_t Bytes(SourceType type) { return type == SourceType::kF32 ? 4 : 2; }

std::string ShapeText(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::optional<int64_t> TensorBytes(const std::vector<int64_t>& shape, SourceType type) {
  constexpr int64_t kMax = int64_t{1} << 46;
  int64_t bytes = Bytes(type);
  for (int64_t length : shape) {
    if (length < 0 || (length > 0 && bytes > kMax / length)) return std::nullopt;
    bytes *= length;
  }
  return bytes;
}

std::vector<float> ToFloats(std::string_view bytes, SourceType type) {
  const size_t count = bytes.size() / static_cast<size_t>(Bytes(type));
  std::vector<float> values(count);
  if (type == SourceType::kF32) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  std::vector<uint16_t> halves(count);  // aligned, which `bytes` need not be
  std::memcpy(halves.data(), bytes.data(), bytes.size());
  if (type == SourceType::kF16) {
    ggml_fp16_to_fp32_row(halves.data(), values.data(), static_cast<int64_t>(count));
  } else {
    for (size_t i = 0; i < count; ++i)
      values[i] = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
  }
  return values;
}

}  // namespace dilemma
