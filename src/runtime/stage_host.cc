#include "runtime/stage_host.h"

#include <algorithm>

#include "base/status.h"
#include "base/units.h"
#include "engine/stage.h"
#include "engine/stage_memory.h"
#include "runtime/machine.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

constexpr int64_t kMaxContext = 1 << 20, kMaxBatch = 8192;
constexpr int64_t kMaxBytes = int64_t{1} << 50;  // sums of a few do not overflow
constexpr int kMaxSequences = 1024, kMaxStages = 256, kMaxThreads = 1024;

// The next stage is on the same node.
class LocalOutlet : public Outlet {
 public:
  explicit LocalOutlet(std::weak_ptr<OpenStage> next) : next_(std::move(next)) {}
  absl::Status Send(v1::PassMessage& message) override {
    const auto next = next_.lock();
    return next == nullptr ? Unavailable("the next stage was closed") : next->Deliver(message);
  }
  void Cancel() override {}

 private:
  const std::weak_ptr<OpenStage> next_;
};

absl::Status Check(const v1::OpenStage& open) {
  if (open.protocol() != kProtocol) {
    return FailedPrecondition(
        "the coordinator speaks protocol {}, this node {}: run the same version on both", open.protocol(),
        kProtocol);
  }
  if (open.session().size() != RandomId().size()) return InvalidArgument("the session's name is not one");
  if (open.stages() < 1 || open.stages() > kMaxStages || open.stage() >= open.stages()) {
    return InvalidArgument("stage {} of {}", open.stage(), open.stages());
  }
  const bool good = open.context() >= 1 && open.context() <= kMaxContext && open.sequences() >= 1 &&
                    open.sequences() <= kMaxSequences && open.max_batch() >= 1 &&
                    open.max_batch() <= kMaxBatch && open.threads() >= 0 && open.threads() <= kMaxThreads &&
                    open.prefill_chunk() >= 1 && open.prefill_chunk() <= kMaxBatch &&
                    open.buffer_bytes() >= 0 && open.buffer_bytes() <= kMaxBytes && open.kv_bytes() >= 0 &&
                    open.kv_bytes() <= kMaxBytes && open.peer_timeout_s() > 0 &&
                    open.peer_timeout_s() <= 3600 && v1::WireType_IsValid(open.wire());
  if (!good) {
    return InvalidArgument("stage {} cannot be opened with context {}, {} sequences and batches of {}",
                           open.stage(), open.context(), open.sequences(), open.max_batch());
  }
  return absl::OkStatus();
}

OpenStageOptions OptionsOf(const v1::OpenStage& open, const StageHostOptions& host) {
  OpenStageOptions options;
  options.node = host.node;
  options.index = static_cast<int>(open.stage());
  options.stages = static_cast<int>(open.stages());
  options.stage.context = open.context();
  options.stage.sequences = open.sequences();
  options.stage.max_batch = open.max_batch();
  options.stage.threads = open.threads() > 0 ? open.threads() : host.threads;
  options.stage.all_logits = open.all_logits();
  options.wire = open.wire() == v1::WIRE_TYPE_F16 ? WireType::kF16 : WireType::kF32;
  options.prefill_chunk = open.prefill_chunk();
  options.slowdown = host.slowdown;
  return options;
}

}  // namespace

StageHost::Session::~Session() {
  if (stage_ == nullptr) return;
  {
    const std::lock_guard lock(host_->mutex_);
    host_->stages_.erase({id_, index_});
  }
  stage_->Close();
}

absl::Status StageHost::Session::Handle(const v1::StageCommand& command) {
  if (command.has_open() != (stage_ == nullptr)) {
    return InvalidArgument(
        "{}", stage_ == nullptr ? "the first command must open a stage" : "the stage is open already");
  }
  switch (command.command_case()) {
    case v1::StageCommand::kOpen:
      return Open(command.open());
    case v1::StageCommand::kConnect:
      return Connect(command.connect());
    case v1::StageCommand::kSubmit:
      return stage_->Submit(command.submit());
    case v1::StageCommand::kCancel:
      return stage_->Cancel(command.cancel().request());
    default:
      return InvalidArgument("an unknown command");
  }
}

absl::Status StageHost::Session::Open(const v1::OpenStage& open) {
  RETURN_IF_ERROR(Check(open));
  const std::lock_guard loading(host_->loading_);
  ASSIGN_OR_RETURN(shard_, host_->store_->Find(open.sha256()));
  std::error_code error;
  const auto file_bytes = static_cast<int64_t>(std::filesystem::file_size(shard_->path(), error));
  const OpenStageOptions options = OptionsOf(open, host_->options_);
  ASSIGN_OR_RETURN(const StageMemory needs, MeasureStage(shard_->path(), options.stage));
  const std::string what = fmt::format("stage {}", open.stage());
  const auto claim = [&](int64_t weights, int64_t kv, int64_t buffers) {
    return claim_.Set(weights + kv + buffers, what,
                      fmt::format("weights {}, KV cache {}, buffers {}", FormatBytes(weights),
                                  FormatBytes(kv), FormatBytes(buffers)));
  };
  // Before anything is loaded; what the coordinator expects may be wrong.
  RETURN_IF_ERROR(claim(file_bytes, std::max(needs.kv_bytes, open.kv_bytes()),
                        std::max(needs.output_bytes, open.buffer_bytes())));

  ReleaseFreeMemory();
  const int64_t before = ResidentBytes();
  ASSIGN_OR_RETURN(auto engine_stage, Stage::Load(shard_->path(), options.stage));
  RETURN_IF_ERROR(claim(engine_stage->weight_bytes(), engine_stage->kv_bytes(), open.buffer_bytes()));
  ASSIGN_OR_RETURN(auto stage, OpenStage::Open(std::move(engine_stage), options, sink_));
  ReleaseFreeMemory();
  const int64_t grown = std::max<int64_t>(0, ResidentBytes() - before);
  const int64_t weights = stage->stage().weight_bytes(), kv = stage->stage().kv_bytes();
  RETURN_IF_ERROR(claim(weights, kv, std::max(open.buffer_bytes(), grown - weights - kv)));

  id_ = open.session();
  index_ = open.stage();
  peer_timeout_s_ = open.peer_timeout_s();
  {
    const std::lock_guard lock(host_->mutex_);
    if (!host_->stages_.try_emplace({id_, index_}, Entry{stage}).second) {
      return absl::AlreadyExistsError(fmt::format("stage {} of this session is open already", index_));
    }
  }
  stage_ = std::move(stage);
  v1::StageEvent event;
  v1::StageOpened& opened = *event.mutable_opened();
  opened.set_has_embedding(stage_->stage().has_embedding());
  opened.set_has_head(stage_->stage().has_head());
  opened.set_n_embd(stage_->stage().n_embd());
  opened.set_n_vocab(stage_->stage().n_vocab());
  opened.set_weight_bytes(weights);
  opened.set_kv_bytes(kv);
  opened.set_rss_bytes(grown);
  opened.set_rows_alike(stage_->stage().rows_alike());
  sink_(event);
  return absl::OkStatus();
}

absl::Status StageHost::Session::Connect(const v1::ConnectStage& connect) {
  const uint32_t next = stage_->last() ? 0 : index_ + 1;
  std::unique_ptr<Outlet> outlet;
  if (connect.address().empty()) {
    const std::lock_guard lock(host_->mutex_);
    const auto it = host_->stages_.find({id_, next});
    if (it == host_->stages_.end()) return NotFound("stage {} is not open on this node", next);
    outlet = std::make_unique<LocalOutlet>(it->second.stage);
  } else {
    PeerOptions peer;
    peer.server = connect.server();
    peer.address = connect.address();
    peer.credentials = host_->options_.credentials;
    peer.session = id_;
    peer.stage = next;
    peer.timeout_s = peer_timeout_s_;
    OpenStage* stage = stage_.get();  // outlives its outlet
    ASSIGN_OR_RETURN(outlet, ConnectPeer(peer, [stage](const absl::Status& loss) { stage->Fail(loss); }));
  }
  RETURN_IF_ERROR(stage_->Start(std::move(outlet), {connect.end_tokens().begin(), connect.end_tokens().end()},
                                connect.rows_alike()));
  v1::StageEvent event;
  event.mutable_connected();
  sink_(event);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<OpenStage>> StageHost::Attach(const std::string& session, uint32_t stage) {
  const std::lock_guard lock(mutex_);
  const auto it = stages_.find({session, stage});
  if (it == stages_.end()) return NotFound("no such stage is open here");
  if (it->second.attached) return absl::AlreadyExistsError("the stage has a sender already");
  it->second.attached = true;
  return it->second.stage;
}

void StageHost::Detach(const std::string& session, uint32_t stage) {
  const std::lock_guard lock(mutex_);
  const auto it = stages_.find({session, stage});
  if (it != stages_.end()) it->second.attached = false;
}

int StageHost::open_stages() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(stages_.size());
}

}  // namespace dilemma
