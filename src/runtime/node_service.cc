#include "runtime/node_service.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "runtime/link_meter.h"
#include "runtime/machine.h"
#include "runtime/messages.h"
#include "runtime/prober.h"
#include "runtime/rpc.h"
#include "runtime/version.h"

namespace dilemma {
namespace {

constexpr double kSilenceS = 60;     // of a stream that has something to say; a slow link takes its time
constexpr double kHelloS = 10;       // for the first message of a ring's stream
constexpr double kLinkTimeoutS = 5;  // for the other end of a link probe to answer

}  // namespace

NodeService::NodeService(const NodeOptions& options, std::unique_ptr<ShardStore> store)
    : options_(options),
      base_rss_bytes_(ResidentBytes()),
      store_(std::move(store)),
      memory_bytes_(options.memory_bytes > 0 ? options.memory_bytes : MemoryLimitBytes()),
      memory_(std::max<int64_t>(0, memory_bytes_ - base_rss_bytes_)),
      stages_({options.name, options.threads, options.slowdown, options.credentials}, store_.get(), &memory_),
      admission_(options.credentials != nullptr, options.coordinators) {}

grpc::Status NodeService::Admit(const grpc::ServerContext& context) const {
  return ToGrpc(admission_.CheckCoordinator(context));
}

void NodeService::MeasureBase() { base_rss_bytes_ = ResidentBytes(); }

grpc::Status NodeService::Info(grpc::ServerContext* context, const v1::InfoRequest*, v1::InfoReply* reply) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  reply->set_name(options_.name);
  reply->set_version(std::string(kVersion));
  reply->set_protocol(kProtocol);
  reply->set_cores(AvailableCores());
  reply->set_threads(options_.threads);
  reply->set_memory_bytes(memory_bytes_);
  reply->set_base_rss_bytes(base_rss_bytes_);
  reply->set_rss_bytes(ResidentBytes());
  reply->set_free_disk_bytes(store_->FreeBytes());
  for (const ShardStore::Entry& entry : store_->List()) {
    v1::StoredShard* shard = reply->add_shards();
    shard->set_sha256(entry.sha256);
    shard->set_bytes(entry.bytes);
  }
  reply->set_open_stages(stages_.open_stages());
  reply->set_boot_id(BootId());
  reply->set_now_ns(MonotonicNanos());
  return grpc::Status::OK;
}

grpc::Status NodeService::HasShard(grpc::ServerContext* context, const v1::HasShardRequest* request,
                                   v1::HasShardReply* reply) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  const absl::Status named = CheckSha256(request->sha256());
  if (!named.ok()) return ToGrpc(named);
  reply->set_present(store_->Want(request->sha256()));
  reply->set_received_bytes(store_->ReceivedBytes(request->sha256()));
  return grpc::Status::OK;
}

grpc::Status NodeService::PutShard(grpc::ServerContext* context, grpc::ServerReader<v1::ShardChunk>* chunks,
                                   v1::PutShardReply*) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  StreamWatch::Patience patience(&watch_, context, kSilenceS);
  v1::ShardChunk chunk;
  if (!chunks->Read(&chunk) || !chunk.has_header())
    return ToGrpc(InvalidArgument("a shard without a header"));
  const std::string sha256 = chunk.header().sha256();
  if (store_->Want(sha256)) return grpc::Status::OK;
  auto upload = store_->Receive(sha256, chunk.header().bytes(), chunk.header().offset());
  if (!upload.ok()) return ToGrpc(upload.status());
  bool first = true;  // has nothing where all came in an earlier attempt
  do {
    patience.Renew();
    if (!std::exchange(first, false) && chunk.data().empty()) {
      return ToGrpc(InvalidArgument("a piece of a shard with nothing in it"));
    }
    const absl::Status added = (*upload)->Add(chunk.data());
    if (!added.ok()) return ToGrpc(added);
  } while (chunks->Read(&chunk));
  patience.End();  // hashing a large one takes its time
  return ToGrpc((*upload)->Finish());
}

grpc::Status NodeService::DropShard(grpc::ServerContext* context, const v1::DropShardRequest* request,
                                    v1::DropShardReply*) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  return ToGrpc(store_->Drop(request->sha256()));
}

grpc::Status NodeService::Probe(grpc::ServerContext* context, const v1::ProbeRequest* request,
                                v1::ProbeReply* reply) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  const std::lock_guard lock(probing_);
  if (context->IsCancelled()) return ToGrpc(absl::CancelledError("the caller is gone"));
  ProbeLimits limits;
  limits.threads = options_.threads;
  limits.slowdown = options_.slowdown;
  limits.memory_bytes = memory_.FreeBytes();
  limits.scratch = store_->Scratch("probe");
  limits.stop = [context] { return context->IsCancelled(); };
  const auto result = RunProbe(FromMessage(*request), limits);
  if (result.ok()) *reply = ToMessage(*result);
  return ToGrpc(result.status());
}

grpc::Status NodeService::ProbeLink(grpc::ServerContext* context, const v1::ProbeLinkRequest* request,
                                    v1::LinkSamples* reply) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  const LinkProbeOptions link = FromMessage(*request);
  absl::Status checked = CheckLinkProbe(link);
  if (!checked.ok()) return ToGrpc(checked);
  const auto channel = Dial({request->server(), request->to(), options_.credentials},
                            std::min(kLinkTimeoutS, link.limit_s), kLinkTimeoutS);
  if (!channel.ok()) return ToGrpc(channel.status());
  const auto node = v1::Node::NewStub(*channel);
  const auto result = MeasureLink(*node, request->to(), link);
  if (result.ok()) *reply = ToMessage(*result);
  return ToGrpc(result.status());
}

grpc::Status NodeService::Echo(grpc::ServerContext* context,
                               grpc::ServerReaderWriter<v1::EchoMessage, v1::EchoMessage>* stream) {
  StreamWatch::Patience patience(&watch_, context, kSilenceS);
  return AnswerEchoes(*stream, [&patience] { patience.Renew(); });
}

grpc::Status NodeService::RunStage(grpc::ServerContext* context,
                                   grpc::ServerReaderWriter<v1::StageEvent, v1::StageCommand>* stream) {
  if (const auto admitted = Admit(*context); !admitted.ok()) return admitted;
  StreamWatch::Patience patience(&watch_, context, kSilenceS);  // until it opens a stage
  std::mutex writing;
  StageHost::Session session(&stages_, [&](const v1::StageEvent& event) {
    const std::lock_guard lock(writing);
    stream->Write(event);
  });
  v1::StageCommand command;
  while (stream->Read(&command)) {
    patience.End();
    const absl::Status handled = session.Handle(command);
    if (!handled.ok()) return ToGrpc(handled);
  }
  return grpc::Status::OK;
}

grpc::Status NodeService::Pass(grpc::ServerContext* context,
                               grpc::ServerReaderWriter<v1::PassReply, v1::PassMessage>* stream) {
  StreamWatch::Patience patience(&watch_, context, kHelloS);
  v1::PassMessage message;
  if (!stream->Read(&message) || !message.has_hello())
    return ToGrpc(InvalidArgument("a stream without a hello"));
  const std::string session = message.hello().session();
  const uint32_t index = message.hello().stage();
  const auto stage = stages_.Attach(session, index);
  if (!stage.ok()) return ToGrpc(stage.status());
  patience.End();
  absl::Status status;
  if (stream->Write(v1::PassReply())) {
    while (status.ok() && stream->Read(&message)) status = (*stage)->Deliver(message);
  }
  stages_.Detach(session, index);
  return ToGrpc(status);
}

}  // namespace dilemma
