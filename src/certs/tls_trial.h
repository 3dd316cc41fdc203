// Why a TLS connection does not come about. The RPC library says that it failed; this says what to do.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "certs/identity.h"

namespace dilemma {

// Connects to "host:port" once, as `who`, to the server that should be called `server`, with TLS 1.3 and
// nothing else. OK where the handshake is done and the other end does not hang up on it; kUnavailable where
// nobody listens, kUnauthenticated with the reason where either end turns the other away. Blocks for some
// times `timeout_s` at most.
absl::Status TryTls(const std::string& address, const std::string& server, const Identity& who,
                    double timeout_s);

}  // namespace dilemma
