#include "evaluation/estimate.h"

#include <algorithm>
#include <random>
#include <vector>

namespace dilemma {
namespace {

constexpr int kResamples = 2000;
constexpr double kTail = 0.025;

// `statistic` of (sum a, sum b, n).
template <typename Statistic>
Estimate Bootstrap(std::span<const double> a, std::span<const double> b, const Statistic& statistic) {
  const size_t n = a.size();
  if (n == 0) return {};
  double sum_a = 0, sum_b = 0;
  for (size_t i = 0; i < n; ++i) sum_a += a[i], sum_b += b[i];
  const double mean = statistic(sum_a, sum_b, static_cast<double>(n));
  if (n < 2) return {mean, mean, mean};
  std::mt19937_64 random(n);
  std::vector<double> values(kResamples);
  for (double& value : values) {
    double drawn_a = 0, drawn_b = 0;
    for (size_t k = 0; k < n; ++k) {
      const size_t i = random() % n;
      drawn_a += a[i];
      drawn_b += b[i];
    }
    value = statistic(drawn_a, drawn_b, static_cast<double>(n));
  }
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) { return values[static_cast<size_t>(share * (kResamples - 1) + 0.5)]; };
  return {mean, at(kTail), at(1 - kTail)};
}

}  // namespace

Estimate MeanEstimate(std::span<const double> samples) {
  return Bootstrap(samples, samples, [](double a, double, double n) { return a / n; });
}

Estimate DifferenceEstimate(std::span<const double> a, std::span<const double> b) {
  return Bootstrap(a, b, [](double x, double y, double n) { return (x - y) / n; });
}

Estimate RatioEstimate(std::span<const double> a, std::span<const double> b) {
  return Bootstrap(a, b, [](double x, double y, double) { return x / y; });
}

}  // namespace dilemma
