#include "distill/linear_distiller.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

Matrix RandomMatrix(int rows, int columns, unsigned seed, float size) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, size);
  Matrix matrix(rows, columns);
  for (int i = 0; i < matrix.size(); ++i) matrix.data()[i] = normal(random);
  return matrix;
}

std::span<const float> View(const Matrix& matrix) {
  return {matrix.data(), static_cast<size_t>(matrix.size())};
}

// A layer whose student sees its inputs through a fixed distortion.
struct Problem {
  Matrix weights = RandomMatrix(24, 64, 1, 0.05F);
  Matrix x, y, d;
  explicit Problem(unsigned seed, int rows) {
    const Matrix mixing = RandomMatrix(64, 64, 7, 0.05F);
    x = RandomMatrix(rows, 64, seed, 1.0F) * (Matrix::Identity(64, 64) + RandomMatrix(64, 64, 8, 0.2F));
    y = x * (Matrix::Identity(64, 64) + mixing) + RandomMatrix(rows, 64, seed + 1, 0.1F);
    d = y * RandomMatrix(64, 24, 9, 0.01F);
  }
  Moments Measure() const {
    Moments moments;
    moments.Add(View(x), View(y), View(d), 64, 24);
    moments.Average();
    return moments;
  }
  // E|Wx + d - Vy|^2 by going through the rows.
  double Loss(const Matrix& values) const {
    const Matrix lost = x * weights.transpose() + d - y * values.transpose();
    return static_cast<double>(lost.squaredNorm()) / static_cast<double>(x.rows());
  }
};

TEST(MomentsTest, PartsTogetherAreTheWhole) {
  const Problem a(1, 300), b(2, 100);
  Moments together;
  together.Add(View(a.x), View(a.y), View(a.d), 64, 24);
  together.Add(View(b.x), View(b.y), View(b.d), 64, 24);
  together.Average();
  Moments mix = a.Measure();
  mix.Mix(b.Measure());
  EXPECT_TRUE(mix.student.isApprox(together.student, 1e-4F));
  EXPECT_TRUE(mix.gap.isApprox(together.gap, 1e-4F));
  EXPECT_TRUE(mix.residual.isApprox(together.residual, 1e-4F));
  EXPECT_DOUBLE_EQ(mix.rows, 400);
}

TEST(LinearDistillerTest, ErrorIsWhatTheRowsSay) {
  const Problem problem(3, 500);
  const Matrix values = problem.weights + RandomMatrix(24, 64, 11, 0.01F);
  EXPECT_NEAR(LinearError(problem.weights, values, problem.Measure()),
              problem.Loss(values) - problem.Loss(problem.weights), 1e-3 * problem.Loss(problem.weights));
}

// At eight bits rounding is next to nothing, so the result is the target: plain least squares, by Eigen.
TEST(LinearDistillerTest, FullCorrectionIsLeastSquares) {
  const Problem problem(4, 4000);
  const LinearTask task = {"w", &problem.weights, *ParseTensorType("q8_0")};
  const LinearRecipe recipe = {.damping = 1e-4, .correction = 1};
  const auto results = DistilLinear({&task, 1}, problem.Measure(), {}, {&recipe, 1});
  ASSERT_TRUE(results.ok()) << results.status();
  const Matrix targets = problem.x * problem.weights.transpose() + problem.d;
  const MatrixD solution = problem.y.cast<double>().colPivHouseholderQr().solve(targets.cast<double>());
  const MatrixD found = results->front().matrix.values.cast<double>();
  EXPECT_LT((found - solution.transpose()).norm(), 0.02 * solution.norm());
  EXPECT_LT(problem.Loss(results->front().matrix.values), 0.5 * problem.Loss(problem.weights));
}

TEST(LinearDistillerTest, ChoosesOnTextThatWasHeldOut) {
  // Fewer rows than columns, and what the residual stream lacks is noise: there is much to fit and nothing to
  // learn.
  Problem train(5, 40), held_out(6, 4000);
  for (Problem* problem : {&train, &held_out}) {
    problem->y = problem->x;
    problem->d = RandomMatrix(static_cast<int>(problem->x.rows()), 24, 12, 1.0F);
  }
  const LinearTask task = {"w", &train.weights, *ParseTensorType("q4_0")};
  const LinearRecipe eager = {.damping = 1e-3, .correction = 1};
  const std::vector<LinearRecipe> recipes = {eager, {.damping = 1, .correction = 0.5}, {.plain = true}};
  const auto results = DistilLinear({&task, 1}, train.Measure(), held_out.Measure(), recipes);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_NE(results->front().recipe.damping, eager.damping);
  const auto forced = DistilLinear({&task, 1}, train.Measure(), {}, {&eager, 1});
  EXPECT_LT(results->front().held_out_error,
            LinearError(train.weights, forced->front().matrix.values, held_out.Measure()));
}

TEST(LinearDistillerTest, PlainIsAmongTheRecipes) {
  const Problem problem(7, 400);
  const LinearTask task = {"w", &problem.weights, *ParseTensorType("iq4_nl")};
  const LinearRecipe recipe = {.plain = true};
  const Moments moments = problem.Measure();
  const auto results = DistilLinear({&task, 1}, moments, {}, {&recipe, 1});
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(results->front().matrix.bytes, RoundByMoments(problem.weights, moments, task.type)->bytes);
}

}  // namespace
}  // namespace dilemma
