#include "model/tensor_type.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "ggml.h"

namespace dilemma {
namespace {

ggml_type Ggml(TensorType type) { return static_cast<ggml_type>(type.ggml); }

bool Known(int type) {
  return type >= 0 && type < GGML_TYPE_COUNT && ggml_blck_size(static_cast<ggml_type>(type)) > 0;
}

// By descending bits. Left out: Q8_1 and Q8_K (inner types of ggml's products), the i-quants below 4 bits
// (their kernels are slow on CPUs and most of them cannot be made without an importance matrix), ternary
// types and types that are defined by one vendor's hardware.
constexpr std::array kMenu = {GGML_TYPE_F16,  GGML_TYPE_Q8_0,   GGML_TYPE_Q6_K,   GGML_TYPE_Q5_1,
                              GGML_TYPE_Q5_K, GGML_TYPE_Q5_0,   GGML_TYPE_Q4_1,   GGML_TYPE_Q4_K,
                              GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS, GGML_TYPE_Q3_K,
                              GGML_TYPE_Q2_K, GGML_TYPE_Q2_0};

}  // namespace

absl::StatusOr<TensorType> ParseTensorType(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(View(name));
  for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
    if (Known(type) && absl::AsciiStrToLower(ggml_type_name(static_cast<ggml_type>(type))) == lower) {
      return TensorType{type};
    }
  }
  std::string known;
  for (ggml_type type : kMenu) known += (known.empty() ? "" : ", ") + Name(TensorType{type});
  return InvalidArgument("'{}' is not a tensor type; known are {}, ...", name, known);
}

std::string Name(TensorType type) {
  if (!Known(type.ggml)) return fmt::format("type{}", type.ggml);
  return absl::AsciiStrToLower(ggml_type_name(Ggml(type)));
}

int64_t BlockSize(TensorType type) { return ggml_blck_size(Ggml(type)); }
int64_t BlockBytes(TensorType type) { return static_cast<int64_t>(ggml_type_size(Ggml(type))); }

double BitsPerWeight(TensorType type) {
  return 8.0 * static_cast<double>(BlockBytes(type)) / static_cast<double>(BlockSize(type));
}

int64_t RowBytes(TensorType type, int64_t row_length) {
  return row_length / BlockSize(type) * BlockBytes(type);
}

bool Admits(TensorType type, int64_t row_length) {
  return Known(type.ggml) && row_length > 0 && row_length % BlockSize(type) == 0;
}

bool IsQuantized(TensorType type) { return Known(type.ggml) && ggml_is_quantized(Ggml(type)); }

bool CanBeMade(TensorType type) {
  const ggml_type ggml = Ggml(type);
  if (ggml == GGML_TYPE_F32 || ggml == GGML_TYPE_F16 || ggml == GGML_TYPE_BF16) return true;
  return IsQuantized(type) && ggml != GGML_TYPE_Q8_1 && ggml != GGML_TYPE_Q8_K;
}

std::vector<TensorType> Menu(int64_t row_length) {
  std::vector<TensorType> menu;
  for (ggml_type type : kMenu) {
    if (Admits({type}, row_length)) menu.push_back({type});
  }
  return menu;
}

}  // namespace dilemma
