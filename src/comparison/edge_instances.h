// Random planning problems of the sizes that people have: a model's layers on servers whose memory, speed,
// access latency and rate differ as those of edge sites do. Deterministic in the seed, on any machine; the
// server order is random. Memories sum to `memory_factor` times what the model takes at 4 bits, and the loss
// budget is `loss_factor` of the loss at 4 bits, so that neither all large types nor a single server will do.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/problem.h"

namespace dilemma {

struct EdgeShape {
  int layers = 24;
  double weights_per_layer = 12.6e6;
  int hidden = 1024;
  double kv_bytes_per_token = 4096;  // of one layer
  int servers = 5;
  std::vector<int> bits = {16, 8, 4, 3};  // with 4 among them; 16 costs no loss
  double memory_factor = 1.3, loss_factor = 0.7;
  int context = 512;
  bool one_block_per_server = true;
  bool ends = false;  // embedding and head as units of their own sizes, about 4 and 2 layers large
  bool ring = false;  // the token goes home from the last server to the first
};

// "24x5x4" and so on: layers x servers x types with the sizes of a model of that depth (24: OPT-350m, 30:
// SmolLM2-135M, 32: a model of 8B, 80: one of 70B). 4 types are 16, 8, 4 and 3 bits; 6 also 6 and 5.
// kInvalidArgument for others.
absl::StatusOr<EdgeShape> ParseEdgeShape(std::string_view text);

Problem EdgeProblem(const EdgeShape& shape, uint64_t seed);

}  // namespace dilemma
