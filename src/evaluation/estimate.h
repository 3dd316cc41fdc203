// Means with 95 % confidence intervals, by the percentile bootstrap (B. Efron, 1979): the samples are drawn
// again with replacement and the statistic's spread is read off. Deterministic. Thread-safe.
#pragma once

#include <span>

namespace dilemma {

struct Estimate {
  double mean = 0, low = 0, high = 0;  // with fewer than two samples low and high are the mean
};

Estimate MeanEstimate(std::span<const double> samples);

// Paired: a[i] and b[i] were measured on the same text, and are drawn together. As many of one as of the
// other.
Estimate DifferenceEstimate(std::span<const double> a, std::span<const double> b);  // mean(a) - mean(b)
// sum(a) / sum(b); also for a mean per token where a[i] is a text's sum and b[i] its tokens.
Estimate RatioEstimate(std::span<const double> a, std::span<const double> b);

}  // namespace dilemma
