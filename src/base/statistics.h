// Small statistics of repeated measurements.
#pragma once

#include <vector>

namespace dilemma {

double Median(std::vector<double> values);  // 0 for none

}  // namespace dilemma
