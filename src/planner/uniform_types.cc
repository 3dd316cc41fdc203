#include "planner/uniform_types.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dilemma {
namespace {

double RelativeSize(const Problem& p, int u, int q) {
  int64_t largest = 1;
  for (int other = 0; other < p.types; ++other)
    if (p.Offered(u, other)) largest = std::max(largest, p.weight_bytes[p.Uq(u, other)]);
  return static_cast<double>(p.weight_bytes[p.Uq(u, q)]) / static_cast<double>(largest);
}

int Nearest(const Problem& p, int u, const std::string& name, double relative_size) {
  int best = -1;
  double distance = kNever;
  for (int q = 0; q < p.types; ++q) {
    if (!p.Offered(u, q)) continue;
    if (p.type_names[p.Uq(u, q)] == name) return q;
    const double d = std::abs(RelativeSize(p, u, q) - relative_size);
    if (d < distance) {
      distance = d;
      best = q;
    }
  }
  return best;
}

}  // namespace

std::vector<std::vector<int>> UniformTypes(const Problem& p) {
  int model = 0, longest = -1;  // the unit with the longest menu: the last such one before the head, if any
  for (int u = 0; u < p.units; ++u) {
    int length = 0;
    for (int q = 0; q < p.types; ++q) length += p.Offered(u, q) ? 1 : 0;
    if (length > longest || (length == longest && u + 1 < p.units)) {
      longest = length;
      model = u;
    }
  }
  std::vector<std::vector<int>> uniform;
  std::vector<int64_t> bytes;
  for (int q = 0; q < p.types; ++q) {
    if (!p.Offered(model, q)) continue;
    std::vector<int> types;
    int64_t sum = 0;
    for (int u = 0; u < p.units; ++u) {
      types.push_back(Nearest(p, u, p.type_names[p.Uq(model, q)], RelativeSize(p, model, q)));
      if (types.back() >= 0) sum += p.weight_bytes[p.Uq(u, types.back())];
    }
    if (std::count(types.begin(), types.end(), -1) > 0) continue;
    uniform.push_back(std::move(types));
    bytes.push_back(sum);
  }
  std::vector<size_t> order(uniform.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return bytes[a] > bytes[b]; });
  std::vector<std::vector<int>> sorted;
  for (const size_t i : order) sorted.push_back(std::move(uniform[i]));
  return sorted;
}

}  // namespace dilemma
