// One direction of one connection: takes bytes from a socket, keeps them for as long as the link would, and
// gives them to the other socket. An end and a reset travel like bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <string>

#include "simulator/link_queue.h"

namespace dilemma {

inline constexpr int64_t kNeverNs = std::numeric_limits<int64_t>::max();

// Guarded by the loop. Sockets are non-blocking and edge-triggered: `readable` and `writable` are set by the
// loop and cleared here when a socket has no more.
class ShapedPipe {
 public:
  enum class State { kOpen, kEnded, kReset };  // kEnded: the end was delivered; kReset: so was a reset

  explicit ShapedPipe(LinkQueue* link) : link_(link) {}

  bool readable = false, writable = false;

  // Moves what can be moved now.
  State Pump(int source, int sink, int64_t now_ns);
  // When there will be something to do without a socket's help.
  int64_t NextWake() const;

 private:
  enum class Kind { kBytes, kEnd, kReset };
  struct Parcel {
    int64_t due_ns = 0;
    Kind kind = Kind::kBytes;
    std::string bytes;
  };

  void Take(int source, int64_t now_ns);
  void Deliver(int sink, int64_t now_ns);
  void Add(Kind kind, std::string bytes, int64_t now_ns);
  bool HasRoom() const { return held_bytes_ < link_->CapacityBytes(); }

  LinkQueue* const link_;
  std::deque<Parcel> parcels_;
  size_t written_ = 0;  // of the first parcel
  size_t held_bytes_ = 0;
  int64_t last_due_ns_ = 0;
  bool source_ended_ = false;
  State state_ = State::kOpen;
};

}  // namespace dilemma
