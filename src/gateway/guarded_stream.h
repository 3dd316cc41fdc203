// A connection as the HTTP library sees it, with what the library lacks: a limit on the bytes of a whole
// request (header lines and chunked bodies included), a deadline for all of it, and a look at whether the
// peer is still there. Private to the room: the only headers that see the library are this and
// http_server.cc.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace dilemma {

struct GuardLimits {
  int64_t max_request_bytes = 0;
  double request_timeout_s = 0;
  double write_timeout_s = 0;
};

// Does not own the socket. One thread.
class GuardedStream : public httplib::Stream {
 public:
  GuardedStream(int socket, const GuardLimits& limits) : socket_(socket), limits_(limits) {}

  // Waits for the first byte of a request in short steps while `go_on`; then the request's limits count.
  bool BeginRequest(double idle_timeout_s, const std::function<bool()>& go_on);

  bool too_big() const { return too_big_; }
  bool too_slow() const { return too_slow_; }
  bool answered() const { return answered_; }  // something of an answer to this request was written
  bool Alive() const;                          // the peer has not closed its end
  bool Unread() const;

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  bool Wait(short events, double seconds) const;

  const int socket_;
  const GuardLimits limits_;
  std::array<char, 8192> buffer_;
  size_t begin_ = 0, end_ = 0;  // of what was read ahead
  int64_t taken_ = 0;           // bytes of this request
  Clock::time_point deadline_;
  bool too_big_ = false, too_slow_ = false, answered_ = false;
};

}  // namespace dilemma
