#include "planner/price_bundle.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

// The least of some planes over prices >= 0; its maximum is known by construction.
struct Planes {
  std::vector<std::vector<double>> slopes;
  std::vector<double> top;  // where all of them are 0
  double At(const std::vector<double>& prices, std::vector<double>& slope) const {
    double least = 1e300;
    for (const auto& plane : slopes) {
      double value = 0;
      for (size_t i = 0; i < top.size(); ++i) value += plane[i] * (prices[i] - top[i]);
      if (value < least) least = value, slope = plane;
    }
    return least;
  }
};

// Planes in pairs of opposite slopes: the maximum is 0, at `top`.
Planes RandomPlanes(int size, int pairs, uint64_t seed) {
  Draw draw(seed);
  Planes planes;
  for (int i = 0; i < size; ++i) planes.top.push_back(i % 4 == 0 ? 0 : draw.Uniform(0, 10));
  for (int k = 0; k < pairs; ++k) {
    std::vector<double> slope, opposite;
    for (int i = 0; i < size; ++i) {
      slope.push_back(draw.Uniform(-1, 1));
      opposite.push_back(-slope.back());
    }
    planes.slopes.push_back(slope);
    planes.slopes.push_back(opposite);
  }
  return planes;
}

double Maximise(const Planes& planes, PriceBundle& bundle, int evaluations) {
  std::vector<double> prices(planes.top.size(), 0.0), slope;
  double best = planes.At(prices, slope);
  bundle.Add(prices, best, slope, 0);
  bundle.Restart(prices, best, slope, -best);
  for (int i = 1; i <= evaluations; ++i) {
    prices = bundle.Next();
    EXPECT_GE(*std::min_element(prices.begin(), prices.end()), 0);
    const double value = planes.At(prices, slope);
    bundle.Add(prices, value, slope, i);
    best = std::max(best, value);
  }
  return best;
}

TEST(PriceBundle, ReachesTheMaximumInFewEvaluations) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Planes planes = RandomPlanes(17, 25, seed);
    std::vector<double> slope;
    const double start = planes.At(std::vector<double>(17, 0.0), slope);
    PriceBundle bundle(std::vector<double>(17, 1.0));
    EXPECT_GT(Maximise(planes, bundle, 80), 0.01 * start) << seed;
  }
}

TEST(PriceBundle, ScalesDoNotChangeTheMaximum) {
  const Planes planes = RandomPlanes(6, 12, 3);
  std::vector<double> scale(6, 1.0), slope;
  scale[0] = 5;
  PriceBundle bundle(scale);
  EXPECT_NEAR(Maximise(planes, bundle, 100), 0, 1e-2);
  EXPECT_FALSE(bundle.ActiveTags().empty());
}

TEST(PriceBundle, PromisesLittleAtTheTop) {
  const Planes planes = RandomPlanes(6, 12, 4);
  PriceBundle bundle(std::vector<double>(6, 1.0));
  Maximise(planes, bundle, 100);
  bundle.Next();
  EXPECT_LT(bundle.promised(), 1e-2);
}

// A cut that lies below the function holds the search down until it is forgotten.
TEST(PriceBundle, ForgetsCutsThatAreTooLow) {
  PriceBundle bundle({1.0});
  bundle.Add({0.0}, 0.0, {1.0}, 0);
  bundle.Add({1.0}, 1.0, {-1.0}, 1);  // the function is higher now: it goes on to rise
  bundle.Restart({0.0}, 0.0, {1.0}, 4.0);
  EXPECT_NEAR(bundle.Next()[0], 1.0, 0.05);
  bundle.Forget([](int tag) { return tag == 1; });
  EXPECT_NEAR(bundle.Next()[0], 4.0, 1e-9);
}

}  // namespace
}  // namespace dilemma
