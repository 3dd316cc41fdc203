// Hidden states on the wire: F32 as they are, or F16 with values beyond its range clamped to it.
// Little-endian.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "plan/plan.h"

namespace dilemma {

void EncodeHidden(std::span<const float> values, WireType wire, std::string* bytes);

// `values` gets `count` floats; kInvalidArgument where the bytes are of another size, or one is not a finite
// number.
absl::Status DecodeHidden(std::string_view bytes, WireType wire, int64_t count, std::vector<float>* values);

}  // namespace dilemma
