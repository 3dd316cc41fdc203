// Plain text tables for people: columns aligned, numbers to the right.
#pragma once

#include <string>
#include <vector>

namespace dilemma {

class Table {
 public:
  // A header that starts with '>' is aligned to the right (the sign is not printed).
  explicit Table(std::vector<std::string> headers);
  void Add(std::vector<std::string> cells);  // as many as headers; fewer are filled with ""
  std::string ToString() const;              // ends in a newline

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace dilemma
