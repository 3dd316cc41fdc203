#include "runtime/hidden_codec.h"

#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"

namespace dilemma {
namespace {

std::vector<float> RoundTrip(const std::vector<float>& values, WireType wire) {
  std::string bytes;
  EncodeHidden(values, wire, &bytes);
  EXPECT_EQ(bytes.size(), values.size() * static_cast<size_t>(BytesPerValue(wire)));
  std::vector<float> back;
  EXPECT_TRUE(DecodeHidden(bytes, wire, static_cast<int64_t>(values.size()), &back).ok());
  return back;
}

TEST(HiddenCodecTest, F32IsExact) {
  std::mt19937 random(1);
  std::vector<float> values;
  for (int i = 0; i < 1001; ++i) values.push_back(static_cast<float>(random()) - 2e9F);
  values.push_back(-0.0F);
  values.push_back(std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(RoundTrip(values, WireType::kF32), values);
}

TEST(HiddenCodecTest, F16RoundsToElevenBits) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 30);
  std::vector<float> values;
  for (int i = 0; i < 1001; ++i) values.push_back(normal(random));
  const std::vector<float> back = RoundTrip(values, WireType::kF16);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(back[i], values[i], std::max(std::abs(values[i]) / 2048, 3e-8F));
  }
}

TEST(HiddenCodecTest, F16ClampsWhatIsBeyondIt) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> back = RoundTrip({1e9F, -1e9F, infinity, -infinity, 65504.0F}, WireType::kF16);
  EXPECT_EQ(back, (std::vector<float>{65504, -65504, 65504, -65504, 65504}));
}

TEST(HiddenCodecTest, RefusesWhatIsNoFiniteNumber) {
  std::string bytes;
  std::vector<float> back;
  for (const WireType wire : {WireType::kF16, WireType::kF32}) {
    EncodeHidden(std::vector<float>{1, NAN}, wire, &bytes);
    EXPECT_TRUE(absl::IsInvalidArgument(DecodeHidden(bytes, wire, 2, &back)));
  }
  EncodeHidden(std::vector<float>{INFINITY}, WireType::kF32, &bytes);
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeHidden(bytes, WireType::kF32, 1, &back)));
}

TEST(HiddenCodecTest, RefusesAnotherSize) {
  std::vector<float> values;
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeHidden("12345", WireType::kF16, 2, &values)));
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeHidden("", WireType::kF32, -1, &values)));
}

}  // namespace
}  // namespace dilemma
