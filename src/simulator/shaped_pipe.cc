#include "simulator/shaped_pipe.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace dilemma {

void ShapedPipe::Add(Kind kind, std::string bytes, int64_t now_ns) {
  // A link that became faster does not let bytes overtake each other.
  last_due_ns_ = std::max(last_due_ns_, link_->Admit(now_ns, bytes.size()));
  held_bytes_ += bytes.size();
  parcels_.push_back({last_due_ns_, kind, std::move(bytes)});
}

void ShapedPipe::Take(int source, int64_t now_ns) {
  static thread_local std::array<char, 64 * 1024> buffer;
  while (readable && !source_ended_ && HasRoom() && link_->OpensAt() <= now_ns) {
    const ssize_t count = read(source, buffer.data(), std::min(buffer.size(), link_->ChunkBytes()));
    if (count > 0) {
      Add(Kind::kBytes, std::string(buffer.data(), static_cast<size_t>(count)), now_ns);
    } else if (count == 0) {
      source_ended_ = true;
      Add(Kind::kEnd, {}, now_ns);
    } else if (errno == EAGAIN || errno == EINTR) {
      readable = errno == EINTR;
    } else {
      source_ended_ = true;
      Add(Kind::kReset, {}, now_ns);
    }
  }
}

void ShapedPipe::Deliver(int sink, int64_t now_ns) {
  while (state_ == State::kOpen && !parcels_.empty() && parcels_.front().due_ns <= now_ns) {
    Parcel& parcel = parcels_.front();
    if (parcel.kind == Kind::kEnd) {
      shutdown(sink, SHUT_WR);
      state_ = State::kEnded;
    } else if (parcel.kind == Kind::kReset) {
      state_ = State::kReset;
    } else {
      if (!writable) return;
      const ssize_t count =
          send(sink, parcel.bytes.data() + written_, parcel.bytes.size() - written_, MSG_NOSIGNAL);
      if (count < 0) {
        writable = errno == EINTR;
        if (errno != EAGAIN && errno != EINTR) state_ = State::kReset;
        continue;
      }
      written_ += static_cast<size_t>(count);
      held_bytes_ -= static_cast<size_t>(count);
      link_->CountDelivered(count);
      if (written_ < parcel.bytes.size()) continue;
    }
    written_ = 0;
    parcels_.pop_front();
  }
}

ShapedPipe::State ShapedPipe::Pump(int source, int sink, int64_t now_ns) {
  if (state_ == State::kOpen && !link_->cut()) {
    Take(source, now_ns);
    Deliver(sink, now_ns);
  }
  return state_;
}

int64_t ShapedPipe::NextWake() const {
  if (state_ != State::kOpen || link_->cut()) return kNeverNs;
  int64_t wake = kNeverNs;
  if (!parcels_.empty() && (writable || parcels_.front().kind != Kind::kBytes))
    wake = parcels_.front().due_ns;
  if (readable && !source_ended_ && HasRoom()) wake = std::min(wake, link_->OpensAt());
  return wake;
}

}  // namespace dilemma
