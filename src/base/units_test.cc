#include "base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace dilemma {
namespace {

using ::testing::HasSubstr;

TEST(UnitsTest, ParsesWhatPeopleWrite) {
  EXPECT_EQ(*ParseBytes("4 GiB"), int64_t{4} << 30);
  EXPECT_EQ(*ParseBytes(" 1.5MB "), 1500000);
  EXPECT_EQ(*ParseBytes("1e3 B"), 1000);
  EXPECT_DOUBLE_EQ(*ParseBandwidth("100 Mbit/s"), 1e8);
  EXPECT_DOUBLE_EQ(*ParseBandwidth("20 MB/s"), 1.6e8);
  EXPECT_DOUBLE_EQ(*ParseDuration("0.3 ms"), 3e-4);
  EXPECT_DOUBLE_EQ(*ParseDuration("0 ms"), 0);
}

TEST(UnitsTest, RefusesWithARemedy) {
  EXPECT_THAT(Message(ParseBytes("4").status()), HasSubstr("has no unit"));
  EXPECT_THAT(Message(ParseBytes("4 gib").status()), HasSubstr("did you mean 'GiB'"));
  EXPECT_THAT(Message(ParseBytes("4 ms").status()), HasSubstr("write it like"));
  EXPECT_THAT(Message(ParseBytes("-1 MiB").status()), HasSubstr("negative"));
  EXPECT_FALSE(ParseBytes("1e30 TiB").ok());
  EXPECT_FALSE(ParseBytes("nan B").ok());
  EXPECT_FALSE(ParseBytes("").ok());
  EXPECT_FALSE(ParseBandwidth("0 Mbit/s").ok());
  EXPECT_FALSE(ParseDuration("5 Mbit/s").ok());
}

TEST(UnitsTest, PrintsThreeDigits) {
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(int64_t{98362432}), "93.8 MiB");
  EXPECT_EQ(FormatDuration(0.0123), "12.3 ms");
  EXPECT_EQ(FormatBandwidth(2e7), "20.0 Mbit/s");
}

}  // namespace
}  // namespace dilemma
