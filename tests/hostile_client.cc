#include "tests/hostile_client.h"

#include <arpa/inet.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <limits>

#include "base/file.h"
#include "base/status.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {
namespace {

constexpr double kConnectS = 10, kPeerTimeoutS = 30;
constexpr double kCallS = 0.3;  // a call that asks for much is left after this time
constexpr int64_t kCallsPerChannel = 2000;

template <typename Message>
std::string Bytes(const Message& message) {
  return message.SerializeAsString();
}

v1::StageCommand OpenCommand() {
  v1::StageCommand command;
  v1::OpenStage& open = *command.mutable_open();
  open.set_protocol(kProtocol);
  open.set_session(RandomId());
  open.set_stage(1);
  open.set_stages(3);
  open.set_sha256(Sha256("a shard that is not there"));
  open.set_context(256);
  open.set_sequences(2);
  open.set_max_batch(64);
  open.set_prefill_chunk(64);
  open.set_peer_timeout_s(5);
  open.set_buffer_bytes(1 << 20);
  open.set_kv_bytes(1 << 20);
  return command;
}

v1::PassMessage BatchMessage() {
  v1::PassMessage message;
  v1::Batch& batch = *message.mutable_batch();
  batch.set_number(1);
  v1::BatchRun& run = *batch.add_runs();
  run.set_request(1);
  run.set_rows(2);
  run.set_sample(true);
  run.mutable_options()->set_max_tokens(5);
  batch.set_hidden(std::string(64, 'h'));
  batch.add_stamps()->set_received_ns(1);
  return message;
}

grpc::ByteBuffer Wrap(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

}  // namespace

HostileClient::HostileClient(const Peer& node, const std::string& metadata, unsigned seed)
    : node_(node), random_(seed) {
  AddSeeds(metadata);
  for (size_t i = 0; i < seeds_.size(); ++i) {
    draw_.insert(draw_.end(), static_cast<size_t>(seeds_[i].weight), i);
  }
}

// No addresses that a node would connect to: mutated, they would be anybody's.
void HostileClient::AddSeeds(const std::string& metadata) {
  v1::HasShardRequest has;
  has.set_sha256(Sha256("some"));
  v1::DropShardRequest drop;
  drop.set_sha256(Sha256("some"));
  v1::ShardChunk first, more;
  first.mutable_header()->set_sha256(Sha256("some"));
  first.mutable_header()->set_bytes(4096);
  first.set_data(std::string(512, 'd'));
  more.set_data(std::string(512, 'm'));
  v1::EchoMessage echo;
  echo.set_number(7);
  echo.set_payload(std::string(100, 'p'));
  echo.set_return_payload(true);
  v1::ProbeRequest probe;
  probe.set_metadata(metadata);
  probe.set_layers(1);
  probe.set_mix("q4_0");
  probe.set_threads(1);
  v1::ProbePass& pass = *probe.add_passes();
  pass.set_context(8);
  pass.set_rows(1);
  pass.set_repeats(1);
  v1::StageCommand connect, submit, cancel;
  connect.mutable_connect()->set_server("b");
  connect.mutable_connect()->add_end_tokens(2);
  submit.mutable_submit()->set_request(1);
  submit.mutable_submit()->add_prompt(5);
  submit.mutable_submit()->mutable_options()->set_max_tokens(3);
  cancel.mutable_cancel()->set_request(1);
  v1::PassMessage hello, back;
  hello.mutable_hello()->set_session(RandomId());
  hello.mutable_hello()->set_stage(1);
  back.mutable_batch_return()->set_batch(1);
  back.mutable_batch_return()->add_tokens()->set_request(1);
  seeds_ = {{"Info", {Bytes(v1::InfoRequest())}, 5},
            {"HasShard", {Bytes(has)}, 15},
            {"PutShard", {Bytes(first), Bytes(more)}, 20},
            {"DropShard", {Bytes(drop)}, 10},
            {"Echo", {Bytes(echo)}, 15},
            {"Probe", {Bytes(probe)}, 1},
            {"RunStage", {Bytes(OpenCommand()), Bytes(connect), Bytes(submit), Bytes(cancel)}, 25},
            {"Pass", {Bytes(hello), Bytes(BatchMessage()), Bytes(back)}, 25}};
}

std::string HostileClient::Mutate(std::string bytes) {
  static constexpr std::array<unsigned char, 8> kInteresting = {0x00, 0x01, 0x7f, 0x80,
                                                                0xff, 0xfe, 0x0a, 0x12};
  for (size_t i = 0, count = Random(6); i < count; ++i) {
    const size_t at = bytes.empty() ? 0 : Random(bytes.size());
    switch (Random(7)) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << Random(8)));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random_());
        break;
      case 2:
        if (!bytes.empty()) bytes[at] = static_cast<char>(kInteresting[Random(kInteresting.size())]);
        break;
      case 3:
        bytes.insert(at, Random(16), static_cast<char>(random_()));
        break;
      case 4:
        bytes.erase(at, Random(16));
        break;
      case 5:
        bytes.insert(at, bytes.substr(at, Random(64)));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

int64_t HostileClient::SendRandomBytes(int64_t connections) {
  static const std::array<std::string, 4> kBeginnings = {
      "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"};
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  const size_t colon = node_.address.rfind(':');
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(node_.address.substr(colon + 1))));
  inet_pton(AF_INET, node_.address.substr(0, colon).c_str(), &to.sin_addr);
  int64_t taken = 0;
  for (int64_t i = 0; i < connections; ++i) {
    std::string bytes = kBeginnings[Random(kBeginnings.size())];
    const size_t size = Random(4096);
    while (bytes.size() < size) bytes += static_cast<char>(random_());
    const int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const linger at_once = {1, 0};  // no port is kept waiting on this side
    setsockopt(out, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    const timeval limit = {0, 20'000};
    setsockopt(out, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(out, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      ++taken;
      std::array<char, 256> answer;
      if (send(out, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0 && Random(8) == 0) {
        while (recv(out, answer.data(), answer.size(), 0) > 0) {
        }
      }
    }
    close(out);
  }
  return taken;
}

void HostileClient::Call(grpc::Channel& channel, const Seed& seed, int64_t* left) {
  const std::string path = "/dilemma.v1.Node/" + seed.method;
  const grpc::internal::RpcMethod method(path.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING);
  grpc::ClientContext context;
  SetDeadline(&context, kCallS);
  using Stream = grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>;
  const std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      Stream::Create(&channel, method, &context));
  const size_t count = 1 + Random(8);
  for (size_t i = 0; i<count&& * left> 0; ++i) {
    const std::string& valid = i == 0 ? seed.messages[0] : seed.messages[Random(seed.messages.size())];
    --*left;
    const bool keep =
        i == 0 && count > 1 && Random(2) == 0;  // so that some calls get past their first message
    if (!stream->Write(Wrap(keep ? valid : Mutate(valid)))) break;
  }
  stream->WritesDone();
  if (Random(16) == 0) context.TryCancel();
  grpc::ByteBuffer answer;
  while (stream->Read(&answer)) {
  }
  stream->Finish();
}

absl::Status HostileClient::SendMutatedMessages(int64_t messages) {
  while (messages > 0) {
    ASSIGN_OR_RETURN(const auto channel, Dial(node_, kConnectS, kPeerTimeoutS));
    for (int64_t call = 0; call < kCallsPerChannel && messages > 0; ++call) {
      Call(*channel, seeds_[draw_[Random(draw_.size())]], &messages);
    }
  }
  return absl::OkStatus();
}

}  // namespace dilemma
