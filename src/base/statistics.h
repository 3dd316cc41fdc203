// Small statistics of repeated measurements.
#pragma once

#include <utility>
#include <vector>

namespace dilemma {

double Median(std::vector<double> values);  // 0 for none

// Of one member of all items.
template <typename Item>
double MedianOf(const std::vector<Item>& items, double Item::*member) {
  std::vector<double> values;
  values.reserve(items.size());
  for (const Item& item : items) values.push_back(item.*member);
  return Median(std::move(values));
}

}  // namespace dilemma
