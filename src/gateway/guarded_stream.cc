#include "gateway/guarded_stream.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dilemma {
namespace {

constexpr double kStepS = 0.1;

void Describe(int (*get)(int, sockaddr*, socklen_t*), int socket, std::string* ip, int* port) {
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  std::array<char, NI_MAXHOST> host;
  std::array<char, NI_MAXSERV> service;
  if (get(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return;
  if (getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host.data(), host.size(), service.data(),
                  service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return;
  }
  *ip = host.data();
  *port = std::atoi(service.data());
}

}  // namespace

bool GuardedStream::Wait(short events, double seconds) const {
  pollfd entry = {socket_, events, 0};
  const int ms = static_cast<int>(std::max(0.0, seconds) * 1e3);
  int ready = 0;
  do {
    ready = poll(&entry, 1, ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

bool GuardedStream::BeginRequest(double idle_timeout_s, const std::function<bool()>& go_on) {
  taken_ = 0;
  answered_ = false;
  for (double waited = 0; begin_ == end_ && !Wait(POLLIN, kStepS); waited += kStepS) {
    if (waited >= idle_timeout_s || !go_on()) return false;
  }
  deadline_ = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(limits_.request_timeout_s * 1e3));
  return Unread() || Alive();
}

bool GuardedStream::Alive() const {
  pollfd entry = {socket_, POLLIN, 0};
  if (poll(&entry, 1, 0) <= 0) return true;
  if ((entry.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return false;
  char byte = 0;
  const ssize_t seen = recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return seen > 0 || (seen < 0 && (errno == EAGAIN || errno == EINTR));
}

bool GuardedStream::Unread() const {
  char byte = 0;
  return begin_ != end_ || recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool GuardedStream::is_readable() const { return begin_ != end_ || Wait(POLLIN, limits_.write_timeout_s); }

bool GuardedStream::is_writable() const { return Alive() && Wait(POLLOUT, limits_.write_timeout_s); }

ssize_t GuardedStream::read(char* to, size_t size) {
  if (begin_ == end_) {
    const double left_s = std::chrono::duration<double>(deadline_ - Clock::now()).count();
    if (left_s <= 0 || !Wait(POLLIN, left_s)) {
      too_slow_ = true;
      return -1;
    }
    const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<size_t>(got);
  }
  const size_t count = std::min(size, end_ - begin_);
  taken_ += static_cast<int64_t>(count);
  if (taken_ > limits_.max_request_bytes) {
    too_big_ = true;
    return -1;
  }
  std::memcpy(to, buffer_.data() + begin_, count);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t GuardedStream::write(const char* from, size_t size) {
  answered_ = true;
  if (!Wait(POLLOUT, limits_.write_timeout_s)) return -1;
  ssize_t sent = 0;
  do {
    sent = send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 && errno == EAGAIN ? 0 : sent;
}

void GuardedStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  Describe(getpeername, socket_, &ip, &port);
}

void GuardedStream::get_local_ip_and_port(std::string& ip, int& port) const {
  Describe(getsockname, socket_, &ip, &port);
}

}  // namespace dilemma
