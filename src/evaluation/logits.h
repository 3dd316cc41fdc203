// Arithmetic on rows of logits: probabilities of the next token and how far two models' are apart. In float
// with sums in double. Thread-safe.
#pragma once

#include <cstdint>
#include <span>

namespace dilemma {

// log of the sum of exp(logits): what turns a logit into a log probability.
double LogSumExp(std::span<const float> logits);

// -log p(token), in nats.
double NegativeLogLikelihood(std::span<const float> logits, int32_t token);

int32_t Top(std::span<const float> logits);  // the first of the largest

// KL(p || q) = sum_v p(v) log(p(v) / q(v)), in nats, p and q being the softmax of the rows. Exactly 0 where
// the rows are equal; never below 0; NaN where a row has values that are not finite.
double KlDivergence(std::span<const float> p, std::span<const float> q);

}  // namespace dilemma
