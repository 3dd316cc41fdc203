#include "runtime/client.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/status.h"
#include "runtime/link_meter.h"
#include "runtime/messages.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

constexpr double kShortCallS = 10;
constexpr double kProbeS = 600;
constexpr double kShipStallS = 60;    // a chunk takes no longer
constexpr double kShipS = 24 * 3600;  // a large shard over a slow link; a dead node is noticed before
constexpr int kBarrenAttempts = 10;   // in a row that brought nothing, before the node counts as gone
constexpr auto kRetryPause = std::chrono::milliseconds(500);
constexpr double kPeerTimeoutS = 20;  // bulk data may keep pings waiting

class GrpcNodeClient : public NodeClient {
 public:
  GrpcNodeClient(const std::string& address, std::shared_ptr<grpc::Channel> channel)
      : address_(address), channel_(std::move(channel)), node_(v1::Node::NewStub(channel_)) {}

  absl::StatusOr<NodeInfo> Info() override {
    v1::InfoReply reply;
    RETURN_IF_ERROR(Call(kShortCallS, [&](auto* context) { return node_->Info(context, {}, &reply); }));
    return FromMessage(reply);
  }

  absl::StatusOr<int64_t> SendShard(const std::filesystem::path& path, const std::string& sha256,
                                    const ShipProgress& progress) override {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) return NotFound("shard '{}': {}", path.string(), error.message());
    const auto bytes = static_cast<int64_t>(size);
    auto sent = SendOnce(path, sha256, bytes, progress);
    if (absl::IsDataLoss(sent.status())) {  // what an earlier attempt left was bad, and is gone now
      ASSIGN_OR_RETURN(const std::string actual, Sha256OfFile(path));
      if (actual != sha256) {
        return InvalidArgument("shard '{}' has the hash {}, not {}: quantize the plan again", path.string(),
                               actual, sha256);
      }
      sent = SendOnce(path, sha256, bytes, progress);
    }
    // A connection that broke, or someone else who sends the same shard (perhaps ourselves, over a connection
    // that the node does not know to be broken yet): go on from what is there, as long as it grows.
    int64_t there = -1;
    for (int barren = 0; IsTemporary(sent.status()) && barren < kBarrenAttempts; ++barren) {
      if (progress && !progress(std::max<int64_t>(0, there), bytes))
        return absl::CancelledError("interrupted");
      std::this_thread::sleep_for(kRetryPause);
      const auto has = Ask(sha256);
      if (has.ok() && has->received_bytes() > there) {
        there = has->received_bytes();
        barren = 0;
      }
      sent = SendOnce(path, sha256, bytes, progress);
    }
    return sent;
  }

  absl::Status DropShard(const std::string& sha256) override {
    v1::DropShardRequest request;
    request.set_sha256(sha256);
    v1::DropShardReply reply;
    return Call(kShortCallS, [&](auto* context) { return node_->DropShard(context, request, &reply); });
  }

  absl::StatusOr<ProbeResult> Probe(const ProbeRequest& request) override {
    v1::ProbeReply reply;
    const v1::ProbeRequest message = ToMessage(request);
    RETURN_IF_ERROR(Call(kProbeS, [&](auto* context) { return node_->Probe(context, message, &reply); }));
    if (static_cast<size_t>(reply.passes_size()) != request.passes.size()) {
      return Internal("node {} answered {} of {} passes", address_, reply.passes_size(),
                      request.passes.size());
    }
    return FromMessage(reply);
  }

  absl::StatusOr<LinkProbeResult> ProbeLink(const std::string& server, const std::string& to,
                                            const LinkProbeOptions& options) override {
    v1::LinkSamples reply;
    const v1::ProbeLinkRequest message = ToMessage(server, to, options);
    RETURN_IF_ERROR(Call(options.limit_s + kShipStallS,
                         [&](auto* context) { return node_->ProbeLink(context, message, &reply); }));
    return FromMessage(reply);
  }

  absl::StatusOr<LinkProbeResult> MeasureLink(const LinkProbeOptions& options) override {
    return dilemma::MeasureLink(*node_, address_, options);
  }

 private:
  template <typename Function>
  absl::Status Call(double deadline_s, Function call) {
    grpc::ClientContext context;
    SetDeadline(&context, deadline_s);
    return FromGrpc(call(&context), address_);
  }

  static bool IsTemporary(const absl::Status& status) {
    return absl::IsUnavailable(status) || absl::IsAborted(status);
  }

  absl::StatusOr<v1::HasShardReply> Ask(const std::string& sha256) {
    v1::HasShardRequest request;
    request.set_sha256(sha256);
    v1::HasShardReply reply;
    RETURN_IF_ERROR(
        Call(kShortCallS, [&](auto* context) { return node_->HasShard(context, request, &reply); }));
    return reply;
  }

  absl::StatusOr<int64_t> SendOnce(const std::filesystem::path& path, const std::string& sha256,
                                   int64_t bytes, const ShipProgress& progress) {
    ASSIGN_OR_RETURN(const v1::HasShardReply has, Ask(sha256));
    if (has.present()) {
      if (progress && !progress(bytes, bytes)) return absl::CancelledError("interrupted");
      return 0;
    }
    const int64_t offset = std::clamp<int64_t>(has.received_bytes(), 0, bytes);
    return Stream(path, sha256, bytes, offset, progress);
  }

  absl::StatusOr<int64_t> Stream(const std::filesystem::path& path, const std::string& sha256, int64_t bytes,
                                 int64_t offset, const ShipProgress& progress) {
    std::ifstream in(path, std::ios::binary);
    in.seekg(offset);
    if (!in) return FailedPrecondition("cannot read '{}'", path.string());
    grpc::ClientContext context;
    SetDeadline(&context, kShipS);
    v1::PutShardReply reply;
    const auto stream = node_->PutShard(&context, &reply);
    v1::ShardChunk chunk;
    chunk.mutable_header()->set_sha256(sha256);
    chunk.mutable_header()->set_bytes(bytes);
    chunk.mutable_header()->set_offset(offset);
    int64_t at = offset;
    do {
      std::string& data = *chunk.mutable_data();
      data.resize(static_cast<size_t>(std::min(kChunkBytes, bytes - at)));
      in.read(data.data(), static_cast<std::streamsize>(data.size()));
      if (!in) return FailedPrecondition("cannot read '{}': it became shorter", path.string());
      if (!stream->Write(chunk)) break;  // Finish tells why
      at += static_cast<int64_t>(data.size());
      chunk.clear_header();
      if (progress && !progress(at, bytes)) {
        context.TryCancel();
        stream->Finish();
        return absl::CancelledError("interrupted");
      }
    } while (at < bytes);
    stream->WritesDone();
    RETURN_IF_ERROR(FromGrpc(stream->Finish(), address_));
    return at - offset;
  }

  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Node::Stub> node_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<NodeClient>> NodeClient::Connect(const std::string& address, double timeout_s,
                                                                const ConnectAs& as) {
  ASSIGN_OR_RETURN(auto channel,
                   Dial({as.server, address, as.credentials, as.refused_s}, timeout_s, kPeerTimeoutS));
  return std::make_unique<GrpcNodeClient>(address, std::move(channel));
}

}  // namespace dilemma
