#include "runtime/ring.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/interrupt.h"
#include "base/status.h"
#include "engine/stage.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);  // how often Ctrl-C is looked for
// For a node to let go of its stage; of a ring that broke, some nodes will never say so.
constexpr double kCloseS = 2, kBrokenCloseS = 0.3;

v1::StageCommand OpenCommand(const Plan& plan, size_t index, int threads, const CoordinatorOptions& options) {
  const PlanStage& stage = plan.stages[index];
  v1::StageCommand command;
  v1::OpenStage& open = *command.mutable_open();
  open.set_protocol(kProtocol);
  open.set_stage(static_cast<uint32_t>(index));
  open.set_stages(static_cast<uint32_t>(plan.stages.size()));
  open.set_sha256(stage.shard);
  open.set_context(plan.workload.context);
  open.set_sequences(plan.workload.users);
  open.set_max_batch(std::max<int64_t>(options.prefill_chunk, plan.workload.users));
  open.set_threads(threads);
  open.set_all_logits(options.all_logits);
  open.set_wire(plan.workload.wire == WireType::kF16 ? v1::WIRE_TYPE_F16 : v1::WIRE_TYPE_F32);
  open.set_buffer_bytes(std::max<int64_t>(0, stage.buffer_bytes));
  open.set_kv_bytes(std::max<int64_t>(0, stage.kv_bytes));
  open.set_prefill_chunk(options.prefill_chunk);
  open.set_peer_timeout_s(options.peer_timeout_s);
  return command;
}

}  // namespace

std::string Ring::NewSession() { return RandomId(); }

absl::StatusOr<std::unique_ptr<Ring>> Ring::Open(const Plan& plan, const Cluster& cluster,
                                                 const CoordinatorOptions& options, Listener listener) {
  std::unique_ptr<Ring> ring(new Ring(options, std::move(listener)));
  RETURN_IF_ERROR(ring->ConnectLines(plan, cluster));
  RETURN_IF_ERROR(ring->OpenStages(plan, cluster));
  RETURN_IF_ERROR(ring->JoinStages(cluster));
  RETURN_IF_ERROR(ring->ReadClocks());
  return ring;
}

absl::Status Ring::ConnectLines(const Plan& plan, const Cluster& cluster) {
  const size_t stages = plan.stages.size();
  opened_.resize(stages);
  for (const PlanStage& stage : plan.stages) servers_.push_back(stage.server);
  std::vector<absl::StatusOr<std::unique_ptr<StageLine>>> lines(stages);
  std::vector<std::thread> threads;
  for (size_t k = 0; k < stages; ++k) {
    threads.emplace_back([&, k] {
      LineOptions line;
      line.server = servers_[k];
      line.address = cluster.AddressFrom(kUser, line.server);
      line.credentials = options_.credentials;
      line.connect_timeout_s = options_.connect_timeout_s;
      line.peer_timeout_s = options_.peer_timeout_s;
      lines[k] = StageLine::Connect(line, {[this, k](v1::StageEvent& event) { OnEvent(k, event); },
                                           [this](const absl::Status& why) { Fail(why); }});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& line : lines) {
    if (!line.ok()) return line.status();
  }
  for (auto& line : lines) lines_.push_back(*std::move(line));
  return absl::OkStatus();
}

absl::Status Ring::OpenStages(const Plan& plan, const Cluster& cluster) {
  answered_.assign(lines_.size(), false);
  for (size_t k = 0; k < lines_.size(); ++k) {
    const Server& server = cluster.servers[static_cast<size_t>(cluster.IndexOf(servers_[k]))];
    v1::StageCommand command = OpenCommand(plan, k, server.threads, options_);
    command.mutable_open()->set_session(session_);
    lines_[k]->Send(command);
  }
  RETURN_IF_ERROR(WaitForAll(options_.open_timeout_s, "load its shard"));
  const std::lock_guard lock(mutex_);
  for (size_t k = 1; k < opened_.size(); ++k) {
    if (opened_[k].n_embd() != opened_[0].n_embd()) {
      return InvalidArgument("the shards of '{}' and '{}' are not of one model: {} and {} values a token",
                             servers_[0], servers_[k], opened_[0].n_embd(), opened_[k].n_embd());
    }
  }
  return absl::OkStatus();
}

absl::Status Ring::JoinStages(const Cluster& cluster) {
  int64_t rows_alike = kAnyRows;
  {
    const std::lock_guard lock(mutex_);
    answered_.assign(lines_.size(), false);
    for (const v1::StageOpened& opened : opened_) rows_alike = std::min(rows_alike, opened.rows_alike());
  }
  for (size_t k = 0; k < lines_.size(); ++k) {
    const std::string& next = servers_[(k + 1) % servers_.size()];
    v1::StageCommand command;
    v1::ConnectStage& connect = *command.mutable_connect();
    connect.set_server(next);
    if (next != servers_[k]) connect.set_address(cluster.AddressFrom(servers_[k], next));
    connect.set_rows_alike(rows_alike);
    connect.mutable_end_tokens()->Assign(options_.end_tokens.begin(), options_.end_tokens.end());
    lines_[k]->Send(command);
  }
  return WaitForAll(2 * options_.connect_timeout_s + options_.peer_timeout_s, "connect to the next server");
}

absl::Status Ring::ReadClocks() {
  std::vector<NodeClock> clocks;
  for (const auto& line : lines_) {
    ASSIGN_OR_RETURN(NodeClock clock, line->ReadClock());
    clocks.push_back(std::move(clock));
  }
  for (const NodeClock& clock : clocks) {
    const bool one = !clock.boot_id.empty() && clock.boot_id == clocks[0].boot_id;
    clock_offset_ns_.push_back(one ? 0 : clock.offset_ns - clocks[0].offset_ns);
  }
  return absl::OkStatus();
}

absl::Status Ring::WaitForAll(double timeout_s, std::string_view what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_s);
  std::unique_lock lock(mutex_);
  while (true) {
    if (!failure_.ok()) return failure_;
    const auto waiting = std::find(answered_.begin(), answered_.end(), false);
    if (waiting == answered_.end()) return absl::OkStatus();
    if (Interrupted()) return InterruptedStatus();
    if (std::chrono::steady_clock::now() > deadline) {
      return absl::DeadlineExceededError(
          fmt::format("server '{}' did not {} within {:.0f} s",
                      servers_[static_cast<size_t>(waiting - answered_.begin())], what, timeout_s));
    }
    changed_.wait_for(lock, kTick);
  }
}

void Ring::OnEvent(size_t stage, v1::StageEvent& event) {
  switch (event.event_case()) {
    case v1::StageEvent::kTokens:
      return listener_.on_tokens(event.tokens());
    case v1::StageEvent::kLogits:
      return listener_.on_logits(event.logits());
    case v1::StageEvent::kFailed:
      return Fail(
          {static_cast<absl::StatusCode>(event.failed().code()),
           fmt::format("server '{}', stage {}: {}", servers_[stage], stage, event.failed().message())});
    case v1::StageEvent::kOpened:
    case v1::StageEvent::kConnected: {
      const std::lock_guard lock(mutex_);
      if (event.has_opened()) opened_[stage] = event.opened();
      answered_[stage] = true;
      changed_.notify_all();
      return;
    }
    default:
      return;
  }
}

void Ring::Fail(const absl::Status& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok() || closing_) return;
    failure_ = why;
    changed_.notify_all();
  }
  listener_.on_failure(why);
}

void Ring::Submit(const v1::SubmitRequest& request) {
  v1::StageCommand command;
  *command.mutable_submit() = request;
  lines_.front()->Send(command);
}

void Ring::Cancel(uint64_t request) {
  v1::StageCommand command;
  command.mutable_cancel()->set_request(request);
  lines_.front()->Send(command);
}

void Ring::Close() {
  double patience_s = kCloseS;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (!failure_.ok()) patience_s = kBrokenCloseS;
  }
  std::vector<std::thread> threads;
  threads.reserve(lines_.size());
  for (const auto& line : lines_) {
    threads.emplace_back([&line, patience_s] { line->Close(patience_s); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace dilemma
