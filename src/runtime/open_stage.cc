#include "runtime/open_stage.h"

#include <algorithm>

#include "base/status.h"
#include "runtime/hidden_codec.h"
#include "runtime/machine.h"

namespace dilemma {
namespace {

constexpr size_t kMaxInbox =
    4096;  // batches; a first stage that keeps its window never has so many on their way

SchedulerOptions SchedulerFor(const OpenStageOptions& options) {
  SchedulerOptions result;
  result.slots = options.stage.sequences;
  result.context = options.stage.context;
  result.max_batch = options.stage.max_batch;
  result.prefill_chunk = options.prefill_chunk;
  result.prefill_window = options.stages + 1;
  result.groups = options.stages + 1;  // one for every stage to work on, and one on the wires
  return result;
}

TokenMakerOptions MakerFor(const OpenStageOptions& options, int64_t n_vocab) {
  return {options.stage.sequences, options.stage.context, n_vocab, options.stage.all_logits};
}

}  // namespace

OpenStage::OpenStage(std::unique_ptr<Stage> stage, const OpenStageOptions& options, EventSink sink)
    : options_(options),
      stage_(std::move(stage)),
      runner_(stage_.get(), options.stage, options.wire, options.index),
      maker_(MakerFor(options, stage_->n_vocab())),
      sink_(std::move(sink)),
      scheduler_(SchedulerFor(options)) {}

absl::StatusOr<std::shared_ptr<OpenStage>> OpenStage::Open(std::unique_ptr<Stage> stage,
                                                           const OpenStageOptions& options, EventSink sink) {
  std::shared_ptr<OpenStage> opened(new OpenStage(std::move(stage), options, std::move(sink)));
  if (opened->stage_->has_embedding() != opened->first() || opened->stage_->has_head() != opened->last()) {
    return InvalidArgument("the shard {} an embedding and {} a head: it is not the one of stage {} of {}",
                           opened->stage_->has_embedding() ? "has" : "lacks",
                           opened->stage_->has_head() ? "has" : "lacks", options.index, options.stages);
  }
  RETURN_IF_ERROR(opened->WarmUp());
  return opened;
}

absl::Status OpenStage::WarmUp() {
  const std::vector<RowPlace> rows = {{0, 0}};
  const std::vector<int32_t> tokens = {0};
  const std::vector<float> hidden(static_cast<size_t>(stage_->n_embd()), 0.0F);
  StageInput input;
  input.rows = rows;
  if (stage_->has_embedding()) {
    input.tokens = tokens;
  } else {
    input.hidden = hidden;
  }
  RETURN_IF_ERROR(stage_->Run(input).status());
  return stage_->Truncate(0, 0);
}

absl::Status OpenStage::Start(std::unique_ptr<Outlet> next, std::set<int32_t> end_tokens,
                              int64_t rows_alike) {
  const std::lock_guard lock(mutex_);
  if (started_ || closed_) return FailedPrecondition("stage {} is connected already", options_.index);
  started_ = true;
  next_ = std::move(next);
  maker_.SetEndTokens(std::move(end_tokens));
  scheduler_.SetRowsAlike(rows_alike);
  thread_ = std::thread([this] { Loop(); });
  return absl::OkStatus();
}

absl::Status OpenStage::Submit(const v1::SubmitRequest& request) {
  if (!first())
    return InvalidArgument("stage {} does not take requests: the first stage does", options_.index);
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(scheduler_.Submit(request, MonotonicNanos()));
  wake_.notify_one();
  return absl::OkStatus();
}

absl::Status OpenStage::Cancel(uint64_t request) {
  if (!first())
    return InvalidArgument("stage {} does not take requests: the first stage does", options_.index);
  const std::lock_guard lock(mutex_);
  scheduler_.Cancel(request, MonotonicNanos());
  wake_.notify_one();
  return absl::OkStatus();
}

absl::Status OpenStage::Deliver(v1::PassMessage& message) {
  absl::Status status;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || failed_) return Unavailable("stage {} is closed", options_.index);
    status = Accept(message);
  }
  if (status.ok()) {
    wake_.notify_one();
  } else {
    Fail(Annotate(status, "the stage before sent what cannot be"));
  }
  return status;
}

absl::Status OpenStage::Accept(v1::PassMessage& message) {
  const int64_t now = MonotonicNanos();
  if (message.has_batch_return() && first()) {
    scheduler_.Return(message.batch_return(), now);
    return absl::OkStatus();
  }
  if (!message.has_batch() || first()) {
    return InvalidArgument("a message of kind {} to stage {}", static_cast<int>(message.message_case()),
                           options_.index);
  }
  RETURN_IF_ERROR(runner_.Check(message.batch()));
  if (inbox_.size() >= kMaxInbox) return absl::ResourceExhaustedError("more batches than a ring ever holds");
  Work& work = inbox_.emplace_back();
  work.batch = std::move(*message.mutable_batch());
  work.received_ns = now;
  return absl::OkStatus();
}

std::optional<OpenStage::Work> OpenStage::WaitForWork() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return closed_ || failed_ || (first() ? scheduler_.Ready() : !inbox_.empty()); });
  if (closed_ || failed_) return std::nullopt;
  Work work;
  if (first()) {
    ScheduledBatch next = scheduler_.Next();
    work.batch = std::move(next.batch);
    work.tokens = std::move(next.tokens);
    work.received_ns = next.ready_ns;
  } else {
    work = std::move(inbox_.front());
    inbox_.pop_front();
  }
  return work;
}

void OpenStage::Loop() {
  while (auto work = WaitForWork()) {
    const absl::Status status = Process(*work);
    if (!status.ok()) Fail(status);
  }
}

absl::Status OpenStage::Process(Work& work) {
  want_.clear();
  if (last()) RETURN_IF_ERROR(maker_.Prepare(work.batch, &want_));
  v1::StageStamp stamp;
  stamp.set_received_ns(work.received_ns);
  stamp.set_started_ns(MonotonicNanos());
  ASSIGN_OR_RETURN(const std::span<const float> output, runner_.Run(work.batch, work.tokens, want_));
  stamp.set_computed_ns(StretchSince(stamp.started_ns(), options_.slowdown));
  *work.batch.add_stamps() = stamp;
  return last() ? SendTokens(work, output) : Forward(work, output);
}

absl::Status OpenStage::Forward(Work& work, std::span<const float> hidden) {
  v1::PassMessage message;
  v1::Batch& batch = *message.mutable_batch();
  batch = std::move(work.batch);
  EncodeHidden(hidden, options_.wire, batch.mutable_hidden());
  v1::StageStamp& stamp = *batch.mutable_stamps()->rbegin();
  stamp.set_sent_bytes(static_cast<int64_t>(message.ByteSizeLong()));
  stamp.set_sent_ns(MonotonicNanos());
  return Send(message);
}

// The token's way home comes first: the ring waits for it.
absl::Status OpenStage::SendTokens(Work& work, std::span<const float> logits) {
  ASSIGN_OR_RETURN(MadeTokens made, maker_.Make(work.batch, want_, logits));
  v1::PassMessage message;
  v1::BatchReturn& back = *message.mutable_batch_return();
  back.set_batch(work.batch.number());
  for (const v1::SampledToken& token : made.tokens) {  // logprobs are for the coordinator
    v1::SampledToken* told = back.add_tokens();
    told->set_request(token.request());
    told->set_token(token.token());
    told->set_finish(token.finish());
  }
  v1::StageStamp& stamp = *work.batch.mutable_stamps()->rbegin();
  stamp.set_sent_bytes(static_cast<int64_t>(message.ByteSizeLong()));
  stamp.set_sent_ns(MonotonicNanos());
  const absl::Status sent = Send(message);

  v1::StageEvent event;
  for (v1::LogitsEvent& rows : made.logits) {
    *event.mutable_logits() = std::move(rows);
    Tell(event);
  }
  v1::TokensEvent& tokens = *event.mutable_tokens();
  tokens.set_batch(work.batch.number());
  tokens.mutable_tokens()->Assign(made.tokens.begin(), made.tokens.end());
  *tokens.mutable_stamps() = std::move(*work.batch.mutable_stamps());
  *tokens.mutable_runs() = std::move(*work.batch.mutable_runs());
  Tell(event);
  return sent;
}

absl::Status OpenStage::Send(v1::PassMessage& message) {
  return next_ == nullptr ? Deliver(message) : next_->Send(message);
}

void OpenStage::Tell(v1::StageEvent& event) {
  const std::lock_guard lock(sink_mutex_);
  if (sink_) sink_(event);
}

void OpenStage::Fail(const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || failed_) return;
    failed_ = true;
    wake_.notify_all();
  }
  v1::StageEvent event;
  event.mutable_failed()->set_code(static_cast<int>(status.code()));
  event.mutable_failed()->set_message(std::string(Message(status)));
  Tell(event);
}

void OpenStage::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    wake_.notify_all();
    if (next_ != nullptr) next_->Cancel();
  }
  if (thread_.joinable()) thread_.join();
  next_.reset();
  const std::lock_guard lock(sink_mutex_);
  sink_ = nullptr;
}

}  // namespace dilemma
