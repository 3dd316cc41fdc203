#include "runtime/hidden_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/status.h"

namespace dilemma {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

constexpr float kLargestHalf = 65504.0F;

// One loop, compiled for the processor at hand: with F16C it is bound by memory, without it by software
// rounding.
template <typename Half>
[[gnu::always_inline]] inline void ToHalf(const float* from, size_t count, char* to) {
  for (size_t i = 0; i < count; ++i) {
    const float value = from[i];
    const float low = value < -kLargestHalf ? -kLargestHalf : value;  // a NaN stays a NaN
    const Half half = static_cast<Half>(low > kLargestHalf ? kLargestHalf : low);
    std::memcpy(to + i * sizeof(Half), &half, sizeof(Half));
  }
}
template <typename Half>
[[gnu::always_inline]] inline void FromHalf(const char* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) {
    Half half;
    std::memcpy(&half, from + i * sizeof(Half), sizeof(Half));
    to[i] = static_cast<float>(half);
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2,f16c"), gnu::optimize("O3")]] void ToHalfFast(const float* from, size_t count, char* to) {
  ToHalf<_Float16>(from, count, to);
}
[[gnu::target("avx2,f16c"), gnu::optimize("O3")]] void FromHalfFast(const char* from, size_t count,
                                                                    float* to) {
  FromHalf<_Float16>(from, count, to);
}
#ifdef __clang__  // 16 does not know that name; what has AVX2 has it
bool HasF16c() { return __builtin_cpu_supports("avx2"); }
#else
bool HasF16c() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c"); }
#endif
#endif

void EncodeHalf(const float* from, size_t count, char* to) {
#if defined(__x86_64__)
  if (HasF16c()) return ToHalfFast(from, count, to);
#endif
  ToHalf<_Float16>(from, count, to);
}
void DecodeHalf(const char* from, size_t count, float* to) {
#if defined(__x86_64__)
  if (HasF16c()) return FromHalfFast(from, count, to);
#endif
  FromHalf<_Float16>(from, count, to);
}

bool IsFinite(float value) { return (std::bit_cast<uint32_t>(value) & 0x7f800000U) != 0x7f800000U; }

}  // namespace

void EncodeHidden(std::span<const float> values, WireType wire, std::string* bytes) {
  bytes->resize(values.size() * static_cast<size_t>(BytesPerValue(wire)));
  if (wire == WireType::kF32) {
    if (!values.empty()) std::memcpy(bytes->data(), values.data(), bytes->size());
  } else {
    EncodeHalf(values.data(), values.size(), bytes->data());
  }
}

absl::Status DecodeHidden(std::string_view bytes, WireType wire, int64_t count, std::vector<float>* values) {
  const int64_t expected = count * BytesPerValue(wire);
  if (count < 0 || static_cast<int64_t>(bytes.size()) != expected) {
    return InvalidArgument("hidden states of {} bytes where {} values of {} were expected", bytes.size(),
                           count, Name(wire));
  }
  values->resize(static_cast<size_t>(count));
  if (wire == WireType::kF32) {
    if (!bytes.empty()) std::memcpy(values->data(), bytes.data(), bytes.size());
  } else {
    DecodeHalf(bytes.data(), values->size(), values->data());
  }
  if (std::all_of(values->begin(), values->end(), IsFinite)) return absl::OkStatus();
  return InvalidArgument("hidden states with a value that is not a finite number");
}

}  // namespace dilemma
