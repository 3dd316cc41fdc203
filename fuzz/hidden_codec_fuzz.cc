// Hidden states from the wire: what is decoded is finite, and F32 comes back as it was.
#include <cmath>

#include "fuzz/fuzz.h"
#include "runtime/hidden_codec.h"

namespace dilemma::fuzz {

std::vector<std::string> Seeds() {
  std::string half, full;
  const std::vector<float> values = {0, 1, -2.5F, 65504, 1e-8F, -70000};
  EncodeHidden(values, WireType::kF16, &half);
  EncodeHidden(values, WireType::kF32, &full);
  return {"0" + half, "1" + full};
}

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dilemma;
  if (size == 0) return 0;
  const WireType wire = data[0] % 2 == 0 ? WireType::kF16 : WireType::kF32;
  const std::string_view bytes = fuzz::View(data + 1, size - 1);
  const auto count = static_cast<int64_t>(bytes.size()) / BytesPerValue(wire);
  std::vector<float> values;
  fuzz::Require(!DecodeHidden(bytes, wire, count + 1, &values).ok(), "a wrong count is refused");
  if (!DecodeHidden(bytes, wire, count, &values).ok()) return 0;
  for (const float value : values) fuzz::Require(std::isfinite(value), "values are finite");
  std::string again;
  EncodeHidden(values, wire, &again);
  fuzz::Require(again == bytes, "and are written as they were read");
  return 0;
}
