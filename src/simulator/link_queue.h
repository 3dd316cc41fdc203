// The transmitter of one direction of an emulated link: bytes leave one after the other at the link's rate
// and arrive after its latency.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "simulator/link_proxy.h"

namespace dilemma {

// Guarded by the loop's mutex, but for delivered_bytes.
class LinkQueue {
 public:
  void SetShape(const LinkShape& shape) { shape_ = shape; }
  void SetCut(bool cut) { cut_ = cut; }
  bool cut() const { return cut_; }

  // The moment at which bytes that are handed over now have arrived.
  int64_t Admit(int64_t now_ns, size_t bytes) {
    free_ns_ = std::max(free_ns_, now_ns);
    if (shape_.bandwidth_bps > 0) {
      free_ns_ += static_cast<int64_t>(static_cast<double>(bytes) * 8e9 / shape_.bandwidth_bps);
    }
    return free_ns_ + static_cast<int64_t>(shape_.latency_s * 1e9);
  }

  // Nothing is handed over while more than this is waiting: what does not fit waits at the sender, as TCP
  // would have it, and connections take turns.
  int64_t OpensAt() const { return free_ns_ - kBacklogNs; }

  // What is handed over at once: about a millisecond's worth.
  size_t ChunkBytes() const {
    if (shape_.bandwidth_bps <= 0) return kMaxChunk;
    return std::clamp(static_cast<size_t>(shape_.bandwidth_bps / 8e3), kMinChunk, kMaxChunk);
  }
  // That one connection may have on the way.
  size_t CapacityBytes() const {
    const double in_flight = shape_.bandwidth_bps / 8 * (shape_.latency_s + 2e-9 * kBacklogNs);
    return std::clamp(static_cast<size_t>(in_flight), size_t{4} << 20, size_t{256} << 20);
  }

  void CountDelivered(int64_t bytes) { delivered_bytes_ += bytes; }
  int64_t delivered_bytes() const { return delivered_bytes_; }

 private:
  static constexpr int64_t kBacklogNs = 10'000'000;
  static constexpr size_t kMinChunk = 1500, kMaxChunk = 64 * 1024;
  LinkShape shape_;
  bool cut_ = false;
  std::atomic<int64_t> delivered_bytes_ = 0;
  int64_t free_ns_ = 0;  // when the transmitter is through with what it has
};

}  // namespace dilemma
