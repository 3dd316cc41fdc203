#include "evaluation/logits.h"

#include <algorithm>
#include <cmath>

namespace dilemma {

double LogSumExp(std::span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += static_cast<double>(std::exp(x - top));
  return static_cast<double>(top) + std::log(sum);
}

double NegativeLogLikelihood(std::span<const float> logits, int32_t token) {
  return LogSumExp(logits) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

int32_t Top(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double KlDivergence(std::span<const float> p, std::span<const float> q) {
  const float top = *std::max_element(p.begin(), p.end());
  double sum = 0, weighted_gap = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const auto weight = static_cast<double>(std::exp(p[i] - top));
    sum += weight;
    weighted_gap += weight * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  }
  const double p_norm = static_cast<double>(top) + std::log(sum);
  const double kl = weighted_gap / sum + LogSumExp(q) - p_norm;
  return kl < 0 ? 0 : kl;  // rounding; NaN stays
}

}  // namespace dilemma
