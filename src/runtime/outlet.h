// Where a stage's results go: the next stage of the ring, on another node or on this one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/credentials.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

// Send is called by one thread at a time, Cancel by any.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // May take the message's contents. kUnavailable names the next server.
  virtual absl::Status Send(v1::PassMessage& message) = 0;
  // Makes a Send that blocks, and all later ones, fail.
  virtual void Cancel() = 0;
};

struct PeerOptions {
  std::string server;  // for errors
  std::string address;
  std::shared_ptr<const Credentials> credentials;
  std::string session;
  uint32_t stage = 0;  // the one that is to receive
  double timeout_s = 5;
};

// Opens the stream to a stage on another node and waits until that stage has taken it. `on_loss` is called
// from a thread of the outlet's own when the stream breaks for another reason than Cancel: at most once,
// never after the destructor has returned.
absl::StatusOr<std::unique_ptr<Outlet>> ConnectPeer(const PeerOptions& options,
                                                    std::function<void(absl::Status)> on_loss);

}  // namespace dilemma
