#include "runtime/rpc.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/log.h"
#include "base/status.h"
#include "certs/tls_trial.h"
#include "runtime/grpc_credentials.h"

namespace dilemma {
namespace {

constexpr int kMaxServerThreads = 512;
constexpr int kMinPingMs = 100;  // peers may ping this often

void Log(gpr_log_func_args* args) { spdlog::debug("grpc: {}", args->message); }

}  // namespace

// gRPC took its codes from the same list as absl.
grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(Message(status))};
}

absl::Status FromGrpc(const grpc::Status& status, std::string_view who) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()),
          fmt::format("{}: {}", who, status.error_message().empty() ? "no message" : status.error_message())};
}

namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const Peer& peer, double peer_timeout_s) {
  // Asked after a third of the silence, so that an answer may take the other two: a busy machine is no dead
  // one.
  const int ask_ms = std::max(kMinPingMs, static_cast<int>(peer_timeout_s * 1000 / 3));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, ask_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2 * ask_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  if (peer.credentials != nullptr) arguments.SetSslTargetNameOverride(peer.server);
  return grpc::CreateCustomChannel(peer.address, ChannelCredentials(peer.credentials.get()), arguments);
}

// True once the channel is up; gives up early where somebody turned us away, as that does not change.
absl::Status WaitConnected(grpc::Channel& channel, const Peer& peer, double timeout_s) {
  const auto now = [] { return std::chrono::system_clock::now(); };
  const auto after = [start = now()](double seconds) {
    return start + std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
  };
  const auto end = after(timeout_s), refused_end = after(std::min(timeout_s, peer.refused_s));
  grpc_connectivity_state state = channel.GetState(true);
  while (state != GRPC_CHANNEL_READY && now() < end) {
    const bool refused = state == GRPC_CHANNEL_TRANSIENT_FAILURE;
    if (refused) {
      const double left_s = std::chrono::duration<double>(refused_end - now()).count();
      if (left_s <= 0) break;
      if (peer.credentials != nullptr) {
        const absl::Status why =
            TryTls(peer.address, peer.server, peer.credentials->identity, std::min(1.0, left_s));
        if (absl::IsUnauthenticated(why)) return Annotate(why, peer.address);
      }
    }
    channel.WaitForStateChange(state, refused ? refused_end : end);
    state = channel.GetState(true);
  }
  if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
  return Unavailable("no node answers at {} (waited {:.1f} s): is `dilemma node` running there?{}",
                     peer.address, std::chrono::duration<double>(now() - after(0)).count(),
                     peer.credentials == nullptr ? " (asked in plain text: a node with certificates does not "
                                                   "answer that)"
                                                 : "");
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const Peer& peer, double connect_timeout_s,
                                                    double peer_timeout_s) {
  RouteGrpcLog();
  if (peer.credentials == nullptr && !IsLoopback(peer.address)) {
    return FailedPrecondition(
        "{} is not on this machine, and without certificates only this machine is connected to: `dilemma "
        "certs` makes them",
        peer.address);
  }
  if (peer.credentials != nullptr && peer.server.empty()) {
    return InvalidArgument("{}: the server's name is not given, so its certificate cannot be checked",
                           peer.address);
  }
  auto channel = MakeChannel(peer, peer_timeout_s);
  RETURN_IF_ERROR(WaitConnected(*channel, peer, connect_timeout_s));
  return channel;
}

void SetServerArguments(grpc::ServerBuilder* builder) {
  RouteGrpcLog();
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingMs / 2);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 2500);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2500);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingMs);
  // Whoever connects gets a moment to shake hands, some calls at once, and no place for ever.
  builder->AddChannelArgument("grpc.server_handshake_timeout_ms", 10'000);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600'000);
  grpc::ResourceQuota quota("node");
  quota.SetMaxThreads(kMaxServerThreads);  // one for each call under way
  builder->SetResourceQuota(quota);
  builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder->SetMaxSendMessageSize(kMaxMessageBytes);
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
}

void SetDeadline(grpc::ClientContext* context, double seconds) {
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
}

std::string RandomId() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

void RouteGrpcLog() {
  static const bool routed = [] {
    gpr_set_log_function(Log);
    return true;
  }();
  static_cast<void>(routed);
}

}  // namespace dilemma
