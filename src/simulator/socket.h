// Sockets of the emulated links. Addresses are "host:port" with an IPv4 address or "localhost".
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void Close();
  // The peer sees a reset instead of an end.
  void Reset();

 private:
  int fd_ = -1;
};

// Non-blocking.
absl::StatusOr<Fd> Listen(const std::string& address);
absl::StatusOr<int> PortOf(const Fd& listener);
Fd Accept(const Fd& listener);  // not open where nobody waits
// Begins to connect; the socket becomes writable when it is done. Errors show there.
absl::StatusOr<Fd> StartConnect(const std::string& address);
bool ConnectFailed(const Fd& socket);

int64_t LoopNanos();  // the monotonic clock

}  // namespace dilemma
