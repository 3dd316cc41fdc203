// How long work of even pace still takes, as a few words for a progress line.
#pragma once

#include <string>

#include "base/clock.h"
#include "fmt/format.h"

namespace dilemma::cli {

class TimeLeft {
 public:
  // ", 3 min left"; empty while nothing can be said.
  std::string operator()(double fraction) {
    if (first_ < 0) first_ = fraction, watch_ = {};
    if (fraction <= first_ || fraction >= 1) return "";
    const double left = watch_.Seconds() * (1 - fraction) / (fraction - first_);
    return left >= 90 ? fmt::format(", {:.0f} min left", left / 60) : fmt::format(", {:.0f} s left", left);
  }

 private:
  double first_ = -1;  // fraction at the first call
  Stopwatch watch_;    // since then
};

}  // namespace dilemma::cli
