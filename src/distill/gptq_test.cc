#include "distill/gptq.h"

#include <random>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quantizer/block_codec.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

Matrix RandomMatrix(int rows, int columns, unsigned seed, float size = 0.05F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, size);
  Matrix matrix(rows, columns);
  for (int i = 0; i < matrix.size(); ++i) matrix.data()[i] = normal(random);
  return matrix;
}

// Inputs whose columns are correlated and of very different size, as a transformer's are.
Matrix RandomMoments(int columns, unsigned seed) {
  Matrix inputs = RandomMatrix(4 * columns, columns, seed, 1.0F);
  const Matrix mixing = RandomMatrix(columns, columns, seed + 1, 0.15F);
  inputs += inputs * mixing;
  for (int j = 0; j < columns; ++j) inputs.col(j) *= std::exp(std::sin(static_cast<float>(j)) * 1.5F);
  return inputs.transpose() * inputs / static_cast<float>(inputs.rows());
}

double Error(const Matrix& weights, const Matrix& values, const Matrix& h) {
  const Matrix difference = weights - values;
  return (difference * h).cwiseProduct(difference).sum();
}

class EveryTypeTest : public testing::TestWithParam<std::string> {
 protected:
  TensorType type_ = *ParseTensorType(GetParam());
};

TEST_P(EveryTypeTest, BytesReadBackByGgmlAreTheValues) {
  const Matrix weights = RandomMatrix(20, 512, 1);
  const Matrix h = RandomMoments(512, 2);
  const auto plan = PlanSweep(h, 0.1, static_cast<int>(BlockSize(type_)));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const Eigen::VectorXf importance = h.diagonal();
  for (const auto& result :
       {Sweep(weights, *plan, type_), RoundWithImportance(weights, {importance.data(), 512}, type_)}) {
    ASSERT_TRUE(result.ok()) << result.status();
    const std::vector<float> read = Dequantize(result->bytes, type_, 512);
    ASSERT_EQ(read.size(), static_cast<size_t>(weights.size()));
    for (size_t i = 0; i < read.size(); ++i) {
      ASSERT_NEAR(read[i], result->values.data()[i], 1e-6F) << GetParam() << " at " << i;
    }
  }
}

TEST_P(EveryTypeTest, TheSweepBeatsRoundingAndGgml) {
  const Matrix weights = RandomMatrix(64, 512, 3);
  const Matrix h = RandomMoments(512, 4);
  const auto plan = PlanSweep(h, 0.01, static_cast<int>(BlockSize(type_)));
  ASSERT_TRUE(plan.ok());
  const Eigen::VectorXf importance = h.diagonal();
  const auto swept = Sweep(weights, *plan, type_);
  const auto rounded = RoundWithImportance(weights, {importance.data(), 512}, type_);
  const std::span<const float> span(weights.data(), static_cast<size_t>(weights.size()));
  const auto plain = Dequantize(*Quantize(span, type_, 512), type_, 512);
  const double error = Error(weights, swept->values, h);
  EXPECT_LT(error, 0.9 * Error(weights, rounded->values, h));
  EXPECT_LT(error, 0.9 * Error(weights, MatrixView(plain.data(), 64, 512), h));
  EXPECT_LT(Error(weights, rounded->values, h), 1.02 * Error(weights, MatrixView(plain.data(), 64, 512), h));
}

TEST_P(EveryTypeTest, ConstantsAndZerosAreFinite) {
  Matrix weights = Matrix::Zero(3, 512);
  weights.row(1).setConstant(0.5F);
  weights(2, 7) = 1e-12F;
  const auto plan = PlanSweep(Matrix::Identity(512, 512), 0.1, static_cast<int>(BlockSize(type_)));
  const auto swept = Sweep(weights, *plan, type_);
  ASSERT_TRUE(swept.ok());
  EXPECT_TRUE(swept->values.allFinite());
  EXPECT_LT((swept->values.row(0)).norm(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Menu, EveryTypeTest,
                         testing::Values("q8_0", "q6_k", "q5_1", "q5_k", "q5_0", "q4_1", "q4_k", "q4_0",
                                         "iq4_nl", "iq4_xs", "q3_k", "q2_k", "q2_0"),
                         [](const auto& info) { return info.param; });

// The textbook form of GPTQ: after each column the inverse Hessian is updated explicitly.
TEST(GptqTest, EqualsThePlainAlgorithm) {
  const int n = 32;
  const TensorType type = *ParseTensorType("q4_0");
  const Matrix weights = RandomMatrix(5, n, 5);
  const Matrix h = RandomMoments(n, 6);
  const auto plan = PlanSweep(h, 0.05, n);
  ASSERT_TRUE(plan.ok());
  const auto swept = Sweep(weights, *plan, type);
  const auto codec = *BlockCodec::Create(type);
  MatrixD damped = h.cast<double>();
  damped.diagonal().array() += 0.05 * damped.diagonal().mean();
  for (int r = 0; r < weights.rows(); ++r) {
    const Eigen::VectorXf importance = damped.diagonal().cast<float>();
    std::array<char, 32> block;
    BlockGrid grid;
    codec->FitScales(&weights(r, 0), importance.data(), block.data(), grid);
    Eigen::VectorXd w = weights.row(r).cast<double>();
    MatrixD inverse = damped.inverse();
    for (int i = 0; i < n; ++i) {
      const int j = plan->order[i];
      float value;
      codec->Nearest(grid, j, static_cast<float>(w[j]), value);
      EXPECT_NEAR(value, swept->values(r, j), 1e-5) << r << " " << j;
      const double error = (w[j] - static_cast<double>(value)) / inverse(j, j);
      w -= error * inverse.col(j);
      inverse -= inverse.col(j) * inverse.row(j) / MatrixD(inverse)(j, j);
    }
  }
}

TEST(GptqTest, MomentsThatAreNotMomentsAreRefused) {
  Matrix h = Matrix::Identity(32, 32);
  h(3, 3) = -1;
  EXPECT_FALSE(PlanSweep(h, 0.01, 32).ok());
}

}  // namespace
}  // namespace dilemma
