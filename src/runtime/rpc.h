// What every use of gRPC in this room shares: channels that notice a dead peer, deadlines, and statuses.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/credentials.h"

namespace dilemma {

inline constexpr uint32_t kProtocol = 2;
inline constexpr int kMaxMessageBytes = 32 << 20;
inline constexpr int64_t kChunkBytes = 256 * 1024;

grpc::Status ToGrpc(const absl::Status& status);
// "<who>: <message>"; OK stays OK.
absl::Status FromGrpc(const grpc::Status& status, std::string_view who);

// A node to connect to.
struct Peer {
  std::string server;  // must stand in its certificate
  std::string address;
  std::shared_ptr<const Credentials> credentials;              // ours
  double refused_s = std::numeric_limits<double>::infinity();  // where connections are refused, for no longer
};

// Connects, over a channel of its own (no connection is shared between channels); silence of `peer_timeout_s`
// breaks it. kUnavailable with the address where nobody answers in time, or connections are refused for as
// long as the peer says, kUnauthenticated where one of both
// ends turns the other away, kFailedPrecondition for plain text to another machine.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const Peer& peer, double connect_timeout_s,
                                                    double peer_timeout_s);
void SetServerArguments(grpc::ServerBuilder* builder);

void SetDeadline(grpc::ClientContext* context, double seconds);

// 128 random bits in hexadecimal.
std::string RandomId();

// Sends gRPC's own log lines to ours, at debug level. Safe to call more than once.
void RouteGrpcLog();

}  // namespace dilemma
