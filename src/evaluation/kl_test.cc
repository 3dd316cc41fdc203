#include "evaluation/kl.h"

#include <cmath>
#include <limits>
#include <random>

#include "evaluation/logits.h"
#include "evaluation/test_models.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;
using Window = std::vector<int32_t>;

std::vector<std::vector<float>> RandomTable(int vocab, unsigned seed, float spread = 3, float shift = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(shift, spread);
  std::vector<std::vector<float>> table(static_cast<size_t>(vocab));
  for (auto& row : table) {
    for (int i = 0; i < vocab; ++i) row.push_back(normal(random));
  }
  return table;
}

// Straight from the definition, in long double.
long double ExactKl(const std::vector<float>& p, const std::vector<float>& q) {
  long double p_sum = 0, q_sum = 0, kl = 0;
  for (const float x : p) p_sum += std::exp(static_cast<long double>(x));
  for (const float x : q) q_sum += std::exp(static_cast<long double>(x));
  for (size_t i = 0; i < p.size(); ++i) {
    const long double pi = std::exp(static_cast<long double>(p[i])) / p_sum;
    const long double qi = std::exp(static_cast<long double>(q[i])) / q_sum;
    kl += pi * std::log(pi / qi);
  }
  return kl;
}

TEST(LogitsTest, KlEqualsItsDefinition) {
  const auto p = RandomTable(300, 1), q = RandomTable(300, 2), shifted = RandomTable(300, 1, 3, 50);
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_NEAR(KlDivergence(p[i], q[i]), static_cast<double>(ExactKl(p[i], q[i])), 1e-5);
    EXPECT_EQ(KlDivergence(p[i], p[i]), 0);
    EXPECT_NEAR(KlDivergence(p[i], shifted[i]), 0, 1e-5);  // softmax does not see a shift
  }
  const std::vector<float> nan = {1, std::numeric_limits<float>::quiet_NaN()}, good = {1, 2};
  EXPECT_TRUE(std::isnan(KlDivergence(good, nan)));
  EXPECT_TRUE(std::isnan(KlDivergence(nan, good)));
}

TEST(LogitsTest, LikelihoodsSumToOne) {
  const auto table = RandomTable(100, 3, 20, 1000);
  double sum = 0;
  for (int32_t token = 0; token < 100; ++token) sum += std::exp(-NegativeLogLikelihood(table[0], token));
  EXPECT_NEAR(sum, 1, 1e-4);
}

TEST(KlTest, ComparesPositionByPosition) {
  const auto taught = RandomTable(20, 1), learnt = RandomTable(20, 2);
  TableModel teacher(taught), student(learnt, 4), twin(taught, 1);
  const std::vector<Window> windows = {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}, {3, 3, 3, 3, 19}};
  LanguageModel* students[] = {&student, &twin};
  const auto scores = CompareModels(teacher, students, windows);
  ASSERT_TRUE(scores.ok()) << scores.status();
  ASSERT_EQ(scores->size(), 3U);
  for (size_t w = 0; w < windows.size(); ++w) {
    long double kl = 0, nll = 0;
    for (size_t i = 0; i < 5; ++i) {
      const auto& q = learnt[static_cast<size_t>(windows[w][i])];
      kl += ExactKl(taught[static_cast<size_t>(windows[w][i])], q) / 5;
      if (i < 4) nll += NegativeLogLikelihood(q, windows[w][i + 1]) / 4;
    }
    EXPECT_NEAR(scores->at(1).kl[w], static_cast<double>(kl), 1e-5);
    EXPECT_NEAR(scores->at(1).nll[w], static_cast<double>(nll), 1e-5);
    EXPECT_EQ(scores->at(2).kl[w], 0);
    EXPECT_EQ(scores->at(2).same[w], 1);
    EXPECT_EQ(scores->at(2).nll[w], scores->at(0).nll[w]);
  }
  const auto alone = ScoreText(teacher, windows);
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(alone->nll, scores->at(0).nll);
  EXPECT_EQ(Perplexity(*alone).mean, Perplexity(scores->at(2)).mean);
}

TEST(KlTest, RefusesWhatCannotBeCompared) {
  TableModel teacher(RandomTable(20, 1)), other(RandomTable(21, 1));
  LanguageModel* students[] = {&other};
  const std::vector<Window> windows = {{1, 2, 3}};
  auto scores = CompareModels(teacher, students, windows);
  ASSERT_FALSE(scores.ok());
  EXPECT_THAT(std::string(Message(scores.status())), HasSubstr("student 1 has 21 tokens"));
  EXPECT_FALSE(ScoreText(teacher, {}).ok());
  const std::vector<Window> foreign = {{1, 20}}, tiny = {{1}};
  EXPECT_FALSE(ScoreText(teacher, foreign).ok());
  EXPECT_FALSE(ScoreText(teacher, tiny).ok());
  auto broken_table = RandomTable(20, 1);
  broken_table[2][7] = std::numeric_limits<float>::infinity();
  TableModel broken(broken_table);
  students[0] = &broken;
  scores = CompareModels(teacher, students, windows);
  ASSERT_FALSE(scores.ok());
  EXPECT_THAT(std::string(Message(scores.status())),
              HasSubstr("student 1: the model's logits are not finite"));
}

TEST(KlTest, ProgressCountsAndCancels) {
  TableModel teacher(RandomTable(20, 1)), student(RandomTable(20, 2));
  LanguageModel* students[] = {&student};
  const std::vector<Window> windows = {{1, 2}, {3, 4}};
  int64_t calls = 0;
  ASSERT_TRUE(CompareModels(teacher, students, windows, [&](int64_t done, int64_t total) {
                EXPECT_EQ(done, ++calls);
                EXPECT_EQ(total, 4);
                return true;
              }).ok());
  EXPECT_EQ(calls, 4);
  const auto cancelled = CompareModels(teacher, students, windows, [](int64_t, int64_t) { return false; });
  EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
}

TEST(EstimateTest, IntervalsCoverTheMean) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(10, 2);
  int covered = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<double> samples(50);
    for (double& sample : samples) sample = normal(random);
    const Estimate estimate = MeanEstimate(samples);
    EXPECT_LT(estimate.low, estimate.mean);
    EXPECT_GT(estimate.high, estimate.mean);
    EXPECT_NEAR(estimate.high - estimate.low, 2 * 1.96 * 2 / std::sqrt(50.0), 0.5);
    covered += estimate.low <= 10 && 10 <= estimate.high ? 1 : 0;
  }
  EXPECT_GE(covered, 85);
}

TEST(EstimateTest, PairsSamples) {
  const std::vector<double> a = {1, 10, 100, 1000}, b = {2, 20, 200, 2000};
  const Estimate ratio = RatioEstimate(a, b), difference = DifferenceEstimate(a, a);
  EXPECT_DOUBLE_EQ(ratio.low, 0.5);
  EXPECT_DOUBLE_EQ(ratio.high, 0.5);
  EXPECT_EQ(difference.low, 0);
  EXPECT_EQ(difference.high, 0);
  const std::vector<double> one = {3};
  EXPECT_EQ(MeanEstimate(one).high, 3);
}

}  // namespace
}  // namespace dilemma
