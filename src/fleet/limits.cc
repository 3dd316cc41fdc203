#include "fleet/limits.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

double At(const std::vector<double>& prices, int n) {
  return prices.empty() ? 0 : prices[static_cast<size_t>(n)];
}

template <typename T>
void Add(std::vector<T>& values, size_t n, T amount, T no_limit) {
  if (values[n] != no_limit) values[n] += amount;
}

}  // namespace

Room Room::Of(const Fleet& fleet) { return {fleet.memory_bytes, fleet.disk_bytes, fleet.busy_limit_s}; }

void Room::Take(const std::vector<ServerUse>& use) {
  for (size_t n = 0; n < use.size(); ++n) {
    if (use[n].stages == 0) continue;
    Add(memory, n, -use[n].memory_bytes, kNoLimit);
    Add(disk, n, -use[n].disk_bytes, kNoLimit);
    Add(busy, n, -use[n].busy_s, kNever);
  }
}

void Room::Give(const std::vector<ServerUse>& use) {
  for (size_t n = 0; n < use.size(); ++n) {
    if (use[n].stages == 0) continue;
    Add(memory, n, use[n].memory_bytes, kNoLimit);
    Add(disk, n, use[n].disk_bytes, kNoLimit);
    Add(busy, n, use[n].busy_s, kNever);
  }
}

bool Room::Holds(const std::vector<ServerUse>& use) const {
  for (size_t n = 0; n < use.size(); ++n)
    if (use[n].stages > 0 &&
        (use[n].memory_bytes > memory[n] || use[n].disk_bytes > disk[n] || use[n].busy_s > busy[n]))
      return false;
  return true;
}

double FleetPrices::Constant(const Fleet& fleet) const {
  double sum = 0;
  for (int n = 0; n < fleet.servers(); ++n) {
    const auto i = static_cast<size_t>(n);
    if (At(memory, n) > 0) sum += At(memory, n) * static_cast<double>(fleet.memory_bytes[i]);
    if (At(disk, n) > 0) sum += At(disk, n) * static_cast<double>(fleet.disk_bytes[i]);
    if (At(busy, n) > 0) sum += At(busy, n) * fleet.busy_limit_s[i];
  }
  return sum;
}

double FleetPrices::Of(const std::vector<ServerUse>& use) const {
  double sum = 0;
  for (size_t i = 0; i < use.size(); ++i) {
    if (use[i].stages == 0) continue;
    const int n = static_cast<int>(i);
    sum += At(memory, n) * static_cast<double>(use[i].memory_bytes) +
           At(disk, n) * static_cast<double>(use[i].disk_bytes) + At(busy, n) * use[i].busy_s;
  }
  return sum;
}

void PutRoom(const Room& room, absl::Span<const int> servers, Problem& problem) {
  for (size_t i = 0; i < servers.size(); ++i) {
    const auto n = static_cast<size_t>(servers[i]);
    problem.memory_bytes[i] = std::max<int64_t>(0, std::min(problem.memory_bytes[i], room.memory[n]));
    problem.disk_bytes[i] = std::max<int64_t>(0, std::min(problem.disk_bytes[i], room.disk[n]));
    problem.busy_limit_s[i] = std::max(0.0, std::min(problem.busy_limit_s[i], room.busy[n]));
  }
}

void PutPrices(const FleetPrices& prices, double weight, absl::Span<const int> servers, Problem& problem) {
  if (problem.move_s.empty()) problem.move_s.assign(problem.compute.size(), 0.0);
  for (int i = 0; i < problem.servers; ++i) {
    const int n = servers[static_cast<size_t>(i)];
    const double memory = At(prices.memory, n) / weight, disk = At(prices.disk, n) / weight,
                 busy = At(prices.busy, n) / weight;
    if (memory == 0 && disk == 0 && busy == 0) continue;
    for (int u = 0; u < problem.units; ++u) {
      for (int q = 0; q < problem.types; ++q) {
        if (!problem.Possible(u, i, q)) continue;
        const size_t at = problem.At(u, i, q);
        problem.move_s[at] += memory * static_cast<double>(problem.Bytes(u, i, q)) +
                              disk * static_cast<double>(problem.weight_bytes[problem.Uq(u, q)]) +
                              busy * problem.compute.decode_s[at];
      }
    }
    if (problem.objective != Objective::kLatency) continue;
    const auto j = static_cast<size_t>(i);
    const double stage =
        memory * static_cast<double>(problem.stage_bytes[j]) + busy * problem.stage.decode_s[j];
    problem.stage.prefill_s[j] += stage;
    problem.stage.request_s[j] += stage;
  }
}

}  // namespace dilemma
