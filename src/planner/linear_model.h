// A mixed-integer linear program as sparse rows, independent of any solver library.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace dilemma {

// minimise cost.x  subject to  row_lower <= A x <= row_upper,  lower <= x <= upper,  x[i] integer where
// asked.
struct LinearModel {
  std::vector<double> cost, lower, upper;  // [column]
  std::vector<char> integer;               // [column]
  std::vector<double> row_lower, row_upper;
  std::vector<size_t> row_start = {0};  // [rows + 1] into the two below
  std::vector<int> entry_column;
  std::vector<double> entry_value;

  int AddColumn(double column_cost, double column_lower, double column_upper, bool is_integer);
  // Entries of one column are added up; those with value 0 are left out.
  void AddRow(double row_low, double row_high, std::vector<std::pair<int, double>> entries);
  int columns() const { return static_cast<int>(cost.size()); }
  int rows() const { return static_cast<int>(row_lower.size()); }
};

}  // namespace dilemma
