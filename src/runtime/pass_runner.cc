#include "runtime/pass_runner.h"

#include "base/status.h"
#include "runtime/hidden_codec.h"

namespace dilemma {

absl::Status PassRunner::Check(const v1::Batch& batch) const {
  int64_t rows = 0;
  std::vector<bool> used(static_cast<size_t>(options_.sequences), false);
  for (const v1::BatchRun& run : batch.runs()) {
    if (run.cancel() != (run.rows() == 0)) return InvalidArgument("a run of {} rows", run.rows());
    if (run.cancel()) continue;
    if (run.slot() >= used.size()) {
      return InvalidArgument("slot {} where the stage has {}", run.slot(), options_.sequences);
    }
    if (used[run.slot()]) return InvalidArgument("slot {} twice in one batch", run.slot());
    used[run.slot()] = true;
    if (int64_t{run.position()} + run.rows() > options_.context) {
      return InvalidArgument("positions up to {} where the stage's context is {}",
                             int64_t{run.position()} + run.rows(), options_.context);
    }
    rows += run.rows();
  }
  if (rows > options_.max_batch)
    return InvalidArgument("{} rows where the stage takes {}", rows, options_.max_batch);
  if (batch.stamps_size() != index_) {
    return InvalidArgument("a batch that has passed {} stages came to stage {}", batch.stamps_size(), index_);
  }
  const int64_t bytes = rows * stage_->n_embd() * BytesPerValue(wire_);
  if (static_cast<int64_t>(batch.hidden().size()) != bytes) {
    return InvalidArgument("hidden states of {} bytes where {} rows take {}", batch.hidden().size(), rows,
                           bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::span<const float>> PassRunner::Run(const v1::Batch& batch,
                                                       std::span<const int32_t> tokens,
                                                       std::span<const int8_t> want) {
  places_.clear();
  for (const v1::BatchRun& run : batch.runs()) {
    if (run.cancel()) continue;
    int64_t& length = lengths_[run.slot()];
    const int64_t position = run.position();
    if (position > length) {
      return InvalidArgument("slot {} goes on at position {} where the stage holds {}", run.slot(), position,
                             length);
    }
    if (position < length) {
      RETURN_IF_ERROR(stage_->Truncate(static_cast<int32_t>(run.slot()), static_cast<int32_t>(position)));
    }
    length = position + run.rows();
    for (int64_t i = position; i < length; ++i) {
      places_.push_back({static_cast<int32_t>(i), static_cast<int32_t>(run.slot())});
    }
  }
  if (places_.empty()) return std::span<const float>();
  StageInput input;
  input.rows = places_;
  if (stage_->has_embedding()) {
    input.tokens = tokens;
  } else {
    const int64_t values = static_cast<int64_t>(places_.size()) * stage_->n_embd();
    RETURN_IF_ERROR(DecodeHidden(batch.hidden(), wire_, values, &hidden_));
    input.hidden = hidden_;
  }
  input.want_logits = want;
  return stage_->Run(input);
}

}  // namespace dilemma
