// The calls that a node answers. Threading: gRPC calls each method from a thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/admission.h"
#include "runtime/dilemma.grpc.pb.h"
#include "runtime/memory_ledger.h"
#include "runtime/node.h"
#include "runtime/shard_store.h"
#include "runtime/stage_host.h"
#include "runtime/stream_watch.h"

namespace dilemma {

class NodeService final : public v1::Node::Service {
 public:
  // `options` with all defaults filled in.
  NodeService(const NodeOptions& options, std::unique_ptr<ShardStore> store);

  grpc::Status Info(grpc::ServerContext* context, const v1::InfoRequest*, v1::InfoReply* reply) override;
  grpc::Status HasShard(grpc::ServerContext* context, const v1::HasShardRequest* request,
                        v1::HasShardReply* reply) override;
  grpc::Status PutShard(grpc::ServerContext* context, grpc::ServerReader<v1::ShardChunk>* chunks,
                        v1::PutShardReply*) override;
  grpc::Status DropShard(grpc::ServerContext* context, const v1::DropShardRequest* request,
                         v1::DropShardReply*) override;
  grpc::Status Probe(grpc::ServerContext* context, const v1::ProbeRequest* request,
                     v1::ProbeReply* reply) override;
  grpc::Status ProbeLink(grpc::ServerContext* context, const v1::ProbeLinkRequest* request,
                         v1::LinkSamples* reply) override;
  grpc::Status Echo(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<v1::EchoMessage, v1::EchoMessage>* stream) override;
  grpc::Status RunStage(grpc::ServerContext* context,
                        grpc::ServerReaderWriter<v1::StageEvent, v1::StageCommand>* stream) override;
  grpc::Status Pass(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<v1::PassReply, v1::PassMessage>* stream) override;

  // To be called when the server is up and before anyone can know its port.
  void MeasureBase();

 private:
  // Of all but Pass and Echo, which servers say to each other: those are for every certificate.
  grpc::Status Admit(const grpc::ServerContext& context) const;

  const NodeOptions options_;
  std::atomic<int64_t> base_rss_bytes_;
  const std::unique_ptr<ShardStore> store_;
  const int64_t memory_bytes_;  // of the whole process
  MemoryLedger memory_;         // of stages and probes
  StageHost stages_;
  std::mutex probing_;  // one probe at a time
  const Admission admission_;
  StreamWatch watch_;
};

}  // namespace dilemma
