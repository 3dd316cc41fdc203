#include "runtime/token_maker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/status.h"
#include "runtime/coordinator.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

constexpr int64_t kMaxDrawn = 1 << 20;  // as long as a context may be

absl::Status CheckOptions(const v1::RequestOptions& options, bool all_logits) {
  if (options.max_tokens() < 1)
    return InvalidArgument("max_tokens is {}: it must be at least 1", options.max_tokens());
  if (!std::isfinite(options.temperature()) || options.temperature() < 0) {
    return InvalidArgument("temperature is {}: it must be 0 or more", options.temperature());
  }
  if (!(options.top_p() > 0 && options.top_p() <= 1)) {
    return InvalidArgument("top_p is {}: it must be above 0 and at most 1", options.top_p());
  }
  if (options.top_k() < 0) return InvalidArgument("top_k is {}: it must be 0 or more", options.top_k());
  if (options.logprobs() < 0 || options.logprobs() > kMaxTopLogprobs + 1) {
    return InvalidArgument("logprobs of {} tokens were asked for: at most {}", options.logprobs() - 1,
                           kMaxTopLogprobs);
  }
  if (options.drawn() < 0 || options.drawn() > kMaxDrawn) {
    return InvalidArgument("{} tokens drawn before: it must be 0 to {}", options.drawn(), kMaxDrawn);
  }
  if (options.logits() == v1::LOGITS_ALL && !all_logits) {
    return InvalidArgument(
        "logits of all positions were asked of a stage that was opened without all_logits");
  }
  return absl::OkStatus();
}

void AddLogprobs(std::span<const float> row, size_t top, v1::SampledToken* made) {
  const float highest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float logit : row) sum += std::exp(logit - highest);
  const double log_sum = highest + std::log(sum);
  const auto logprob = [&](int32_t token) {
    return static_cast<float>(row[static_cast<size_t>(token)] - log_sum);
  };
  made->set_logprob(logprob(made->token()));
  std::vector<int32_t> tokens(row.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  top = std::min(top, tokens.size());
  std::partial_sort(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(top), tokens.end(),
                    [&](int32_t a, int32_t b) {
                      const float x = row[static_cast<size_t>(a)], y = row[static_cast<size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  for (size_t i = 0; i < top; ++i) {
    made->add_top_tokens(tokens[i]);
    made->add_top_logprobs(logprob(tokens[i]));
  }
}

// A row that no model means: of what are no numbers, or all alike. Its greatest would be token 0, which ends
// an answer with many tokenizers. Every token pays for this: one comparison a logit without a branch.
absl::Status CheckRow(uint64_t request, std::span<const float> row) {
  bool none = false;
  for (const float logit : row) none |= !(logit <= std::numeric_limits<float>::max());
  if (none) return Internal("the model's logits for request {} are not numbers", request);
  const bool alike = std::all_of(row.begin(), row.end(), [&](float logit) { return logit == row.front(); });
  if (alike && row.size() > 1) return Internal("the model's logits for request {} are all alike", request);
  return absl::OkStatus();
}

// Rows in messages of a size that any link carries.
void AddLogits(uint64_t request, std::span<const float> rows, size_t n_vocab,
               std::vector<v1::LogitsEvent>* events) {
  const size_t step =
      std::max<size_t>(1, static_cast<size_t>(kMaxMessageBytes) / 2 / (n_vocab * sizeof(float)));
  for (size_t at = 0; at < rows.size(); at += step * n_vocab) {
    const auto part = rows.subspan(at, std::min(step * n_vocab, rows.size() - at));
    v1::LogitsEvent& event = events->emplace_back();
    event.set_request(request);
    event.set_logits(part.data(), part.size_bytes());
  }
}

}  // namespace

absl::Status TokenMaker::Begin(const v1::BatchRun& run) {
  RETURN_IF_ERROR(CheckOptions(run.options(), options_.all_logits));
  if (run.request() == 0) return InvalidArgument("request 0 is not a request");
  Slot& slot = slots_[run.slot()];
  slot.request = run.request();
  slot.options = run.options();
  slot.made = 0;
  SamplingOptions sampling;
  sampling.temperature = run.options().temperature();
  sampling.top_p = run.options().top_p();
  sampling.top_k = run.options().top_k();
  sampling.seed = run.options().seed();
  sampling.drawn = run.options().drawn();
  slot.sampler = Sampler::Create(sampling);
  return absl::OkStatus();
}

absl::Status TokenMaker::Prepare(const v1::Batch& batch, std::vector<int8_t>* want) {
  want->clear();
  for (const v1::BatchRun& run : batch.runs()) {
    if (run.cancel()) {
      for (Slot& slot : slots_) {
        if (slot.request == run.request()) slot = Slot();
      }
      continue;
    }
    if (run.has_options()) RETURN_IF_ERROR(Begin(run));
    const Slot& slot = slots_[run.slot()];
    if (slot.request != run.request()) {
      return InvalidArgument("rows of request {} in slot {}, which belongs to request {}", run.request(),
                             run.slot(), slot.request);
    }
    want->insert(want->end(), run.rows(), slot.options.logits() == v1::LOGITS_ALL ? 1 : 0);
    if (run.sample()) want->back() = 1;
  }
  return absl::OkStatus();
}

v1::SampledToken TokenMaker::Sample(Slot* slot, const v1::BatchRun& run, std::span<const float> row) {
  v1::SampledToken made;
  made.set_request(run.request());
  made.set_token(slot->sampler->Sample(row));
  if (slot->options.logprobs() > 0) {
    AddLogprobs(row, static_cast<size_t>(slot->options.logprobs() - 1), &made);
  }
  ++slot->made;
  const int64_t next_position = int64_t{run.position()} + run.rows();
  if (end_tokens_.contains(made.token())) {
    made.set_finish(v1::FINISH_END);
  } else if (slot->made >= slot->options.max_tokens() || next_position >= options_.context) {
    made.set_finish(v1::FINISH_LENGTH);
  }
  if (made.finish() != v1::FINISH_NOT) *slot = Slot();
  return made;
}

absl::StatusOr<MadeTokens> TokenMaker::Make(const v1::Batch& batch, std::span<const int8_t> want,
                                            std::span<const float> logits) {
  MadeTokens made;
  const auto n_vocab = static_cast<size_t>(options_.n_vocab);
  if (logits.size() != static_cast<size_t>(std::count(want.begin(), want.end(), 1)) * n_vocab) {
    return Internal("the engine gave {} logits for {} wanted rows", logits.size(),
                    std::count(want.begin(), want.end(), 1));
  }
  size_t at = 0;
  for (const v1::BatchRun& run : batch.runs()) {
    if (run.cancel()) {
      v1::SampledToken& token = made.tokens.emplace_back();
      token.set_request(run.request());
      token.set_finish(v1::FINISH_CANCELLED);
      continue;
    }
    Slot& slot = slots_[run.slot()];
    const bool all = slot.options.logits() == v1::LOGITS_ALL;
    const size_t wanted = all ? run.rows() : (run.sample() ? 1 : 0);
    const auto rows = logits.subspan(at, wanted * n_vocab);
    at += rows.size();
    if (slot.options.logits() != v1::LOGITS_NONE && wanted > 0)
      AddLogits(run.request(), rows, n_vocab, &made.logits);
    if (!run.sample()) continue;
    RETURN_IF_ERROR(CheckRow(run.request(), rows.last(n_vocab)));
    made.tokens.push_back(Sample(&slot, run, rows.last(n_vocab)));
  }
  return made;
}

}  // namespace dilemma
