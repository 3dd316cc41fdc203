#include "distill/layer_losses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

TensorType Type(const char* name) { return *ParseTensorType(name); }

GroupErrors Group(const std::vector<const char*>& names, std::vector<double> errors, double middle_kl,
                  double coarse_kl) {
  GroupErrors group;
  for (const char* name : names) group.menu.push_back(Type(name));
  group.errors = std::move(errors);
  group.rungs = Rungs::Of(group.menu);
  group.middle_kl = middle_kl;
  group.coarse_kl = coarse_kl;
  return group;
}

TEST(LayerLosses, RunsTypesNearFiveAndAHalfAndFourAndAHalfBitsAndTheSmallest) {
  const Rungs all = Rungs::Of({Type("q8_0"), Type("q5_0"), Type("q4_0"), Type("q2_K")});
  EXPECT_EQ(all.fine, 1U);
  EXPECT_EQ(all.middle, 2U);
  EXPECT_EQ(all.coarse, 3U);
  const Rungs no_small = Rungs::Of({Type("q8_0"), Type("q5_0"), Type("q4_0")});
  EXPECT_EQ(no_small.coarse, no_small.middle);
  const Rungs one = Rungs::Of({Type("q8_0")});
  EXPECT_EQ(one.fine, 0U);
  EXPECT_EQ(one.middle, 0U);
  EXPECT_EQ(one.coarse, 0U);
}

TEST(LayerLosses, AreWhatWasMeasuredWhereItWas) {
  const std::vector<GroupErrors> groups = {
      Group({"q8_0", "q5_0", "q4_0", "q2_K"}, {0.01, 1, 4, 60}, 0.02, 0.5),
      Group({"q8_0", "q5_0", "q4_0", "q2_K"}, {0.02, 3, 10, 90}, 0.01, 0.1)};
  const auto losses = LayerLosses(groups, 0.006);
  EXPECT_DOUBLE_EQ(losses[0][2], 0.02);
  EXPECT_DOUBLE_EQ(losses[0][3], 0.5);
  EXPECT_DOUBLE_EQ(losses[1][2], 0.01);
  EXPECT_DOUBLE_EQ(losses[1][3], 0.1);
  EXPECT_NEAR(losses[0][1] + losses[1][1], 0.006, 1e-12);
  // Shared out as 0.02 * 1/4 to 0.01 * 3/10.
  EXPECT_NEAR(losses[0][1] / losses[1][1], 0.005 / 0.003, 1e-9);
  for (const auto& each : losses) EXPECT_TRUE(std::is_sorted(each.begin(), each.end()));
}

TEST(LayerLosses, AGroupWithoutAFineTypeLeavesTheRestToTheOthers) {
  const std::vector<GroupErrors> groups = {Group({"q4_0", "q2_K"}, {4, 40}, 0.02, 0.3),
                                           Group({"q5_0", "q4_0", "q2_K"}, {1, 4, 40}, 0.02, 0.3)};
  const auto losses = LayerLosses(groups, 0.026);
  ASSERT_EQ(losses[0].size(), 2U);
  EXPECT_NEAR(losses[1][0], 0.006, 1e-12);
}

TEST(LayerLosses, WhatGroupsShareIsTakenOffTheirSum) {
  const std::vector<double> coarse = {0.06, 0.03, 0.02, 0.02};
  const double overlap = OverlapOf(coarse, 0.08);
  EXPECT_NEAR(Together(coarse, overlap), 0.08, 1e-12) << "as it was measured";
  const std::vector<double> small = {6e-4, 3e-4, 2e-4, 2e-4};
  EXPECT_NEAR(Together(small, overlap), 13e-4, 0.01 * 13e-4) << "small losses add up";
  EXPECT_DOUBLE_EQ(Together(std::vector<double>{0.06, 0, 0, 0}, overlap), 0.06);
  EXPECT_EQ(OverlapOf(coarse, 0.2), 0) << "more than their sum";
  // Measured below the largest of them: noise, and not to be believed further than that.
  EXPECT_NEAR(Together(coarse, OverlapOf(coarse, 0.01)), 0.06, 1e-12);
  EXPECT_EQ(OverlapOf(std::vector<double>{0, 0}, 0), 0);
  EXPECT_EQ(Together(std::vector<double>{0, 0}, 3), 0);
  EXPECT_EQ(OverlapOf(std::vector<double>{0.1}, 0.05), 0);
}

TEST(LayerLosses, NoiseAndNothingAtAllGiveNoNonsense) {
  for (const double measured : {0.0, -1e-9, 1e-9}) {
    const std::vector<GroupErrors> groups = {
        Group({"q8_0", "q5_0", "q4_0", "q2_K"}, {0.01, 1, 4, 30}, 0.02, measured),
        Group({"q8_0", "q5_0", "q4_0", "q2_K"}, {0, 0, 0, 0}, 0, 0)};
    const auto losses = LayerLosses(groups, measured);
    for (const auto& each : losses) {
      for (const double loss : each) {
        EXPECT_TRUE(std::isfinite(loss));
        EXPECT_GE(loss, 0);
      }
    }
    EXPECT_DOUBLE_EQ(losses[0][2], 0.02);
    EXPECT_DOUBLE_EQ(losses[1][1], 0);
  }
}

}  // namespace
}  // namespace dilemma
