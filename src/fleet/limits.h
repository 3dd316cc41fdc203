// What servers have left, what that is worth, and a model's problem with one or the other put in.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "fleet/fleet.h"
#include "fleet/fleet_validate.h"

namespace dilemma {

// Room on every server of the fleet.
struct Room {
  std::vector<int64_t> memory, disk;
  std::vector<double> busy;
  static Room Of(const Fleet& fleet);
  void Take(const std::vector<ServerUse>& use);
  void Give(const std::vector<ServerUse>& use);
  bool Holds(const std::vector<ServerUse>& use) const;
};

// Prices on what servers have, in weighted seconds a byte (or a second), at least 0. A vector may be empty:
// none.
struct FleetPrices {
  std::vector<double> memory, disk, busy;  // [n]
  // What all room costs: the constant of the Lagrangian.
  double Constant(const Fleet& fleet) const;
  // What a model's use of the servers costs.
  double Of(const std::vector<ServerUse>& use) const;
};

// The model's limits on `servers` (the order of the problem) become at most what is left there.
void PutRoom(const Room& room, absl::Span<const int> servers, Problem& problem);
// Adds what the model takes, at these prices over its weight, to its objective. Where stages have buffers and
// the objective is throughput, the price of the buffers is left out: the objective is then a lower bound.
void PutPrices(const FleetPrices& prices, double weight, absl::Span<const int> servers, Problem& problem);

}  // namespace dilemma
