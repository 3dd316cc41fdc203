// Times a shard of made-up weights on this machine.
#pragma once

#include <filesystem>
#include <functional>

#include "absl/status/statusor.h"
#include "runtime/client.h"

namespace dilemma {

struct ProbeLimits {
  int threads = 1;  // where the request names none
  double slowdown = 1;
  int64_t memory_bytes = 0;       // for weights, KV cache and buffers of the probe
  std::filesystem::path scratch;  // the shard is written here and removed
  std::function<bool()> stop;     // asked between passes; true ends the probe (kCancelled)
};

// Blocks; one at a time. kResourceExhausted where the probe does not fit the memory.
absl::StatusOr<ProbeResult> RunProbe(const ProbeRequest& request, const ProbeLimits& limits);

}  // namespace dilemma
