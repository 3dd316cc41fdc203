// How much of the memory that a node may use is taken, by open stages and probes.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "absl/status/status.h"

namespace dilemma {

// Thread-safe.
class MemoryLedger {
 public:
  explicit MemoryLedger(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  int64_t limit_bytes() const { return limit_bytes_; }
  int64_t FreeBytes() const;

 private:
  friend class MemoryClaim;
  const int64_t limit_bytes_;
  mutable std::mutex mutex_;
  int64_t taken_bytes_ = 0;
};

// A part of the memory; given back when the object goes.
class MemoryClaim {
 public:
  explicit MemoryClaim(MemoryLedger* ledger) : ledger_(ledger) {}
  ~MemoryClaim();
  MemoryClaim(const MemoryClaim&) = delete;
  MemoryClaim& operator=(const MemoryClaim&) = delete;

  // Claims this much in all. kResourceExhausted, the claim as it was, where the node has less; `what` and
  // `parts` say in the error what the memory is for.
  absl::Status Set(int64_t bytes, const std::string& what, const std::string& parts);

 private:
  MemoryLedger* const ledger_;
  int64_t bytes_ = 0;
};

}  // namespace dilemma
