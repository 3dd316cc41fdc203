#include "runtime/rpc.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/log.h"
#include "base/status.h"

namespace dilemma {
namespace {

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

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, double peer_timeout_s) {
  RouteGrpcLog();
  const int half_ms = std::max(kMinPingMs, static_cast<int>(peer_timeout_s * 500));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, half_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, half_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

absl::Status WaitConnected(grpc::Channel& channel, const std::string& address, double timeout_s) {
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::microseconds(static_cast<int64_t>(timeout_s * 1e6));
  if (channel.WaitForConnected(deadline)) return absl::OkStatus();
  return Unavailable("no node answers at {} (waited {:.1f} s): is `dilemma node` running there?", address,
                     timeout_s);
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
