#include "runtime/client.h"

#include <algorithm>
#include <fstream>

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
constexpr double kPeerTimeoutS = 20;  // bulk data may keep pings waiting

class GrpcNodeClient : public NodeClient {
 public:
  explicit GrpcNodeClient(const std::string& address)
      : address_(address),
        channel_(MakeChannel(address, kPeerTimeoutS)),
        node_(v1::Node::NewStub(channel_)) {}

  absl::Status WaitUntilConnected(double timeout_s) { return WaitConnected(*channel_, address_, timeout_s); }

  absl::StatusOr<NodeInfo> Info() override {
    v1::InfoReply reply;
    RETURN_IF_ERROR(Call(kShortCallS, [&](auto* context) { return node_->Info(context, {}, &reply); }));
    return FromMessage(reply);
  }

  absl::StatusOr<int64_t> SendShard(const std::filesystem::path& path, const std::string& sha256,
                                    const ShipProgress& progress) override {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path, error);
    if (error) return NotFound("shard '{}': {}", path.string(), error.message());
    auto sent = SendOnce(path, sha256, static_cast<int64_t>(bytes), progress);
    if (absl::IsDataLoss(sent.status())) {  // what an earlier attempt left was bad, and is gone now
      ASSIGN_OR_RETURN(const std::string actual, Sha256OfFile(path));
      if (actual != sha256) {
        return InvalidArgument("shard '{}' has the hash {}, not {}: quantize the plan again", path.string(),
                               actual, sha256);
      }
      sent = SendOnce(path, sha256, static_cast<int64_t>(bytes), progress);
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

  absl::StatusOr<LinkProbeResult> ProbeLink(const std::string& to, const LinkProbeOptions& options) override {
    v1::LinkSamples reply;
    const v1::ProbeLinkRequest message = ToMessage(to, options);
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

  absl::StatusOr<int64_t> SendOnce(const std::filesystem::path& path, const std::string& sha256,
                                   int64_t bytes, const ShipProgress& progress) {
    v1::HasShardRequest ask;
    ask.set_sha256(sha256);
    v1::HasShardReply has;
    RETURN_IF_ERROR(Call(kShortCallS, [&](auto* context) { return node_->HasShard(context, ask, &has); }));
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

absl::StatusOr<std::unique_ptr<NodeClient>> NodeClient::Connect(const std::string& address,
                                                                double timeout_s) {
  auto client = std::make_unique<GrpcNodeClient>(address);
  RETURN_IF_ERROR(client->WaitUntilConnected(timeout_s));
  return client;
}

}  // namespace dilemma
