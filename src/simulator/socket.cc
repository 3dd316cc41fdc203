#include "simulator/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kReceiveBuffer = 256 * 1024;  // so that a slow link holds its sender back

absl::StatusOr<sockaddr_in> Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  sockaddr_in result = {};
  result.sin_family = AF_INET;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return InvalidArgument("address '{}': it must be HOST:PORT", address);
  }
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (inet_pton(AF_INET, host.c_str(), &result.sin_addr) != 1) {
    return InvalidArgument("address '{}': '{}' is not an IPv4 address", address, host);
  }
  result.sin_port = htons(static_cast<uint16_t>(port));
  return result;
}

void Prepare(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

absl::StatusOr<Fd> NewSocket() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return Internal("socket: {}", std::strerror(errno));
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer));
  return fd;
}

}  // namespace

void Fd::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void Fd::Reset() {
  if (fd_ < 0) return;
  const linger at_once = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

absl::StatusOr<Fd> Listen(const std::string& address) {
  ASSIGN_OR_RETURN(const sockaddr_in where, Resolve(address));
  ASSIGN_OR_RETURN(Fd fd, NewSocket());
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0 ||
      listen(fd.get(), 128) != 0) {
    return FailedPrecondition("cannot listen on {}: {}", address, std::strerror(errno));
  }
  return fd;
}

absl::StatusOr<int> PortOf(const Fd& listener) {
  sockaddr_in where = {};
  socklen_t size = sizeof(where);
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    return Internal("getsockname: {}", std::strerror(errno));
  }
  return ntohs(where.sin_port);
}

Fd Accept(const Fd& listener) {
  Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.open()) Prepare(fd.get());
  return fd;
}

absl::StatusOr<Fd> StartConnect(const std::string& address) {
  ASSIGN_OR_RETURN(const sockaddr_in where, Resolve(address));
  ASSIGN_OR_RETURN(Fd fd, NewSocket());
  Prepare(fd.get());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0 &&
      errno != EINPROGRESS) {
    return Unavailable("cannot connect to {}: {}", address, std::strerror(errno));
  }
  return fd;
}

bool ConnectFailed(const Fd& socket) {
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0;
}

int64_t LoopNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace dilemma
