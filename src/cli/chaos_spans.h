// An answer by the plans that it came from, and whether what came from one is what that plan says.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/coordinator.h"

namespace dilemma::cli {

struct PlanSpan {
  std::string plan;
  size_t begin = 0, end = 0;  // tokens; none where the plan had only the end to say
  bool last = false;
};

// Parts that follow each other on one plan are one: what went before must not show.
std::vector<PlanSpan> SpansOf(const GenerateResult& result);

// Empty where the span is what `right` begins with and, if it is the last one, all of it. `right`: what the
// span's plan says, undisturbed, after the tokens before the span.
std::string Difference(const GenerateResult& got, const PlanSpan& span, const GenerateResult& right);

}  // namespace dilemma::cli
