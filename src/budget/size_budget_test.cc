#include "budget/size_budget.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

QualityTable Table() {
  QualityTable table;
  table.kind = LossKind::kMeasured;
  const auto mix = [](const char* text) { return *TypeMix::Parse(text); };
  table.units = {{"embedding", {{mix("q8_0"), 100, 0.0}, {mix("q4_0"), 50, 0.4}}},
                 {"layer 0", {{mix("q8_0"), 80, 0.01}, {mix("q5_0"), 60, 0.02}, {mix("q4_0"), 40, 0.5}}}};
  return table;
}

TEST(LeastLossWithin, TakesTheStepsThatSaveMost) {
  const auto at = [](int64_t bytes) { return *LeastLossWithin(Table(), bytes); };
  EXPECT_NEAR(at(90).loss, 0.9, 1e-12);
  EXPECT_NEAR(at(110).loss, 0.4 + 0.02, 1e-12);
  EXPECT_NEAR(at(159).loss, 0.4 + 0.01, 1e-12);
  EXPECT_NEAR(at(160).loss, 0.02, 1e-12);
  EXPECT_THAT(at(160).choices, testing::ElementsAre(0, 1));
  EXPECT_EQ(at(160).bytes, 160);
  EXPECT_NEAR(at(1000).loss, 0.01, 1e-12);
  EXPECT_EQ(at(1000).bytes, 180);
}

TEST(LeastLossWithin, SaysWhatTheSmallestTypesTake) {
  const auto less = LeastLossWithin(Table(), 89);
  EXPECT_EQ(less.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(less.status().message()), testing::HasSubstr("90 B"));
}

int64_t TwoEnds(bool tied) {
  ModelInfo model;
  model.tied_head = tied;
  model.units.resize(2);
  TensorInfo matrix;
  matrix.name = "token_embd.weight";
  matrix.shape = {32, 10, 1, 1};
  model.units[0].tensors = {matrix};
  matrix.name = "output.weight";
  if (!tied) matrix.offset = 1280;
  model.units[1].tensors = {matrix};
  return Fp32Bytes(model);
}

TEST(Fp32Bytes, CountsATiedMatrixOnce) {
  EXPECT_EQ(TwoEnds(true), 4 * 320);
  EXPECT_EQ(TwoEnds(false), 4 * 640);
}

}  // namespace
}  // namespace dilemma
