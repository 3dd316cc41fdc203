#include "planner/min_plus.h"

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

TEST(MinPlus, CellsAreTheLeastOverAllItems) {
  Draw draw(1);
  const auto below = [&](int limit) { return static_cast<int32_t>(draw.Uniform(0, limit)); };
  for (int round = 0; round < 50; ++round) {
    const int size = 1 + below(100), count = 1 + below(6), pad = 40;
    std::vector<ShiftedCost> items{{0, below(1000)}};
    while (static_cast<int>(items.size()) < count) items.push_back({below(pad), below(1000)});
    std::vector<int32_t> now(static_cast<size_t>(pad + size + kCellPadding), kNoSum), next = now;
    for (int i = 0; i < size; ++i) now[static_cast<size_t>(pad + i)] = below(1 << 29);
    RelaxCells(&now[pad], &next[pad], items.data(), count, size);
    for (int i = 0; i < size; ++i) {
      int32_t least = kNoSum;
      for (const ShiftedCost& item : items)
        if (i >= item.shift)
          least = std::min(least, now[static_cast<size_t>(pad + i - item.shift)] + item.cost);
      ASSERT_EQ(next[static_cast<size_t>(pad + i)], least) << "cell " << i << " of " << size;
    }
    for (int i = 0; i < pad; ++i) ASSERT_EQ(next[static_cast<size_t>(i)], kNoSum) << "the padding is kept";
  }
}

TEST(MinPlus, DoublesAreRelaxedInPlace) {
  const std::vector<double> from{5, 1, 7, 2, 9};
  std::vector<double> into{3, 9, 9, 9, 9};
  RelaxInto(from.data(), into.data(), 4, 1.0);
  EXPECT_EQ(into, (std::vector<double>{3, 2, 8, 3, 9}));
  RelaxShifted(from.data(), into.data(), 2, 5, -4.0);
  EXPECT_EQ(into, (std::vector<double>{3, 2, 1, -3, 3}));
}

}  // namespace
}  // namespace dilemma
