// Emulated links on loopback: TCP proxies that delay bytes and limit their rate. Any TCP protocol can use
// them, and nothing here needs rights (as `tc netem` would).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace dilemma {

struct LinkShape {
  double latency_s = 0;      // one way
  double bandwidth_bps = 0;  // bits per second; 0: unlimited
  friend bool operator==(const LinkShape&, const LinkShape&) = default;
};

// One direction of a link. All connections that use it share its bandwidth. Thread-safe.
class EmulatedLink {
 public:
  virtual ~EmulatedLink() = default;
  virtual void SetShape(const LinkShape& shape) = 0;  // of bytes that set out from now on
  // A cut link takes nothing and delivers nothing, as a pulled cable: its users see silence, not a reset. A
  // restored one goes on with what it held.
  virtual void Cut() = 0;
  virtual void Restore() = 0;
  virtual int64_t delivered_bytes() const = 0;
};

struct LinkProxyOptions {
  std::string listen = "127.0.0.1:0";
  std::string target;  // "host:port"; connected to anew for every connection that comes in
  std::shared_ptr<EmulatedLink> forward, backward;  // from the one who connects to the target, and back
};

// Thread-safe. Destroying the object resets its connections.
class LinkProxy {
 public:
  virtual ~LinkProxy() = default;
  virtual std::string address() const = 0;  // where to connect, "127.0.0.1:PORT"
  virtual void ResetConnections() = 0;
};

// The one thread that serves any number of links and proxies, on time to some ten microseconds where the
// machine has a core to spare. Outlives them. Thread-safe.
class LinkLoop {
 public:
  static absl::StatusOr<std::unique_ptr<LinkLoop>> Start();
  virtual ~LinkLoop() = default;
  virtual std::shared_ptr<EmulatedLink> AddLink(const LinkShape& shape) = 0;
  virtual absl::StatusOr<std::unique_ptr<LinkProxy>> AddProxy(const LinkProxyOptions& options) = 0;
};

}  // namespace dilemma
