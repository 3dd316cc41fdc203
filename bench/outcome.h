// What benchmarks end with: the exit code, and the memory they took.
#pragma once

#include <sys/resource.h>

#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "base/status.h"

namespace dilemma {

// 0 where the benchmark ran and found its own result good; says what went wrong otherwise.
inline int OutcomeOf(const absl::StatusOr<bool>& good) {
  if (!good.ok()) std::fprintf(stderr, "error: %s\n", std::string(Message(good.status())).c_str());
  return good.ok() && *good ? 0 : 1;
}

// The most that this process held so far.
inline double PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace dilemma
