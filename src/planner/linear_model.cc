#include "planner/linear_model.h"

#include <algorithm>

namespace dilemma {

int LinearModel::AddColumn(double column_cost, double column_lower, double column_upper, bool is_integer) {
  cost.push_back(column_cost);
  lower.push_back(column_lower);
  upper.push_back(column_upper);
  integer.push_back(is_integer ? 1 : 0);
  return columns() - 1;
}

void LinearModel::AddRow(double row_low, double row_high, std::vector<std::pair<int, double>> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const size_t start = entry_column.size();
  for (const auto& [column, value] : entries) {
    if (value == 0) continue;
    if (entry_column.size() > start && entry_column.back() == column) {
      entry_value.back() += value;
      continue;
    }
    entry_column.push_back(column);
    entry_value.push_back(value);
  }
  row_start.push_back(entry_column.size());
  row_lower.push_back(row_low);
  row_upper.push_back(row_high);
}

}  // namespace dilemma
