// An emulated link on loopback: a TCP proxy that delays bytes and limits their rate. Any TCP protocol can use
// it. Where `tc netem` is there, it is not needed; nothing here needs rights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

// One direction of a link. All connections through a proxy share the bandwidth of a direction.
struct LinkShape {
  double latency_s = 0;      // one way
  double bandwidth_bps = 0;  // bits per second; 0: unlimited
  friend bool operator==(const LinkShape&, const LinkShape&) = default;
};

struct LinkProxyOptions {
  std::string listen = "127.0.0.1:0";
  std::string target;           // "host:port"; connected to anew for every connection that comes in
  LinkShape forward, backward;  // from the one who connects to the target, and back
};

// Thread-safe. Destroying the object resets its connections. A proxy that is cut holds what it has and takes
// nothing more, as a pulled cable does: peers see silence, not a reset. A restored one goes on where it was.
class LinkProxy {
 public:
  virtual ~LinkProxy() = default;
  virtual std::string address() const = 0;  // where to connect, "127.0.0.1:PORT"
  virtual void SetShape(const LinkShape& forward,
                        const LinkShape& backward) = 0;  // for bytes read from now on
  virtual void Cut() = 0;
  virtual void Restore() = 0;
  virtual void ResetConnections() = 0;
  virtual int64_t forward_bytes() const = 0;  // delivered so far
  virtual int64_t backward_bytes() const = 0;
};

// The one thread that serves any number of proxies, with timers to some ten microseconds. Must outlive them.
class LinkLoop {
 public:
  static absl::StatusOr<std::unique_ptr<LinkLoop>> Start();
  virtual ~LinkLoop() = default;
  virtual absl::StatusOr<std::unique_ptr<LinkProxy>> Add(const LinkProxyOptions& options) = 0;
};

}  // namespace dilemma
