#include "runtime/stage_line.h"

#include <chrono>
#include <limits>

#include "base/status.h"
#include "runtime/machine.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

constexpr int kClockReadings = 5;

}  // namespace

absl::StatusOr<std::unique_ptr<StageLine>> StageLine::Connect(const LineOptions& options, Listener listener) {
  std::unique_ptr<StageLine> line(new StageLine(options, std::move(listener)));
  auto channel = Dial({options.server, options.address, options.credentials}, options.connect_timeout_s,
                      options.peer_timeout_s);
  if (!channel.ok()) return Annotate(channel.status(), fmt::format("server '{}'", options.server));
  line->channel_ = *std::move(channel);
  line->node_ = v1::Node::NewStub(line->channel_);
  line->stream_ = line->node_->RunStage(&line->context_);
  line->thread_ = std::thread([line = line.get()] { line->Listen(); });
  return line;
}

void StageLine::Listen() {
  v1::StageEvent event;
  while (stream_->Read(&event)) {
    listener_.on_event(event);
  }
  const grpc::Status status = stream_->Finish();
  const std::string who = fmt::format("server '{}' ({})", options_.server, options_.address);
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    closing = closing_;
    changed_.notify_all();
  }
  if (closing) return;
  listener_.on_end(status.ok() ? Unavailable("{} closed the stage", who) : FromGrpc(status, who));
}

// The reading with the shortest round trip is taken: its middle is nearest to the node's moment.
absl::StatusOr<NodeClock> StageLine::ReadClock() {
  NodeClock clock;
  int64_t shortest = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < kClockReadings; ++i) {
    grpc::ClientContext context;
    SetDeadline(&context, options_.connect_timeout_s);
    v1::InfoReply reply;
    const int64_t before = MonotonicNanos();
    RETURN_IF_ERROR(FromGrpc(node_->Info(&context, {}, &reply), fmt::format("server '{}'", options_.server)));
    const int64_t after = MonotonicNanos();
    clock.boot_id = reply.boot_id();
    if (!clock.boot_id.empty() && clock.boot_id == BootId()) return clock;
    if (after - before >= shortest) continue;
    shortest = after - before;
    clock.offset_ns = reply.now_ns() - (before + (after - before) / 2);
  }
  return clock;
}

void StageLine::Send(const v1::StageCommand& command) {
  const std::lock_guard lock(mutex_);
  if (!closing_ && !ended_) stream_->Write(command);
}

void StageLine::Close(double patience_s) {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    closing_ = true;
    if (!ended_) stream_->WritesDone();
    changed_.wait_for(lock, std::chrono::duration<double>(patience_s), [this] { return ended_; });
  }
  context_.TryCancel();
  thread_.join();
}

}  // namespace dilemma
