#include "recovery/continuation.h"

#include <algorithm>

namespace dilemma {

GenerateRequest Continuation::Next(const std::string& plan, int64_t now_ns) {
  if (result_.parts.empty() || result_.parts.back().first_token != made()) {
    result_.parts.push_back({plan, made()});
  } else {
    result_.parts.back().plan = plan;  // the ring before gave nothing
  }
  part_start_ns_ = now_ns;
  part_first_ = made();
  GenerateRequest next = request_;
  next.prompt.insert(next.prompt.end(), result_.tokens.begin(), result_.tokens.end());
  next.max_tokens = request_.max_tokens - made();
  next.sampling.drawn = request_.sampling.drawn + made();
  next.partial = nullptr;
  return next;
}

bool Continuation::Take(int32_t token) {
  result_.tokens.push_back(token);
  if (on_token_ && !on_token_(token)) stopped_ = true;
  return !stopped_;
}

void Continuation::AddTimes(const GenerateResult& part) {
  if (part.prefill_s <= 0) return;  // no token came
  int64_t now = part_start_ns_ + static_cast<int64_t>(part.prefill_s * 1e9);
  if (part_first_ == 0) {
    result_.prefill_s = static_cast<double>(now - start_ns_) * 1e-9;
  } else {
    result_.token_s.push_back(static_cast<double>(now - last_ns_) * 1e-9);
  }
  for (const double seconds : part.token_s) {
    result_.token_s.push_back(seconds);
    now += static_cast<int64_t>(seconds * 1e9);
  }
  last_ns_ = now;
}

// Of a ring that failed, a row may be there whose token never came; the next ring computes that row again,
// and with it, where all are asked for, every one before.
void Continuation::AddLogits(const std::vector<float>& logits, int64_t n_vocab, bool to_the_end) {
  if (n_vocab <= 0 || request_.want_logits == WantLogits::kNone) return;
  result_.n_vocab = n_vocab;
  const bool all = request_.want_logits == WantLogits::kAll;
  const int64_t before_first = all ? static_cast<int64_t>(request_.prompt.size()) - 1 : 0;
  const auto rows_until = [&](int64_t tokens) { return tokens == 0 ? 0 : before_first + tokens; };
  const auto values = [&](int64_t rows) { return static_cast<size_t>(rows * n_vocab); };
  const size_t repeated = std::min(all ? values(rows_until(part_first_)) : 0, logits.size());
  result_.logits.insert(result_.logits.end(), logits.begin() + static_cast<std::ptrdiff_t>(repeated),
                        logits.end());
  if (!to_the_end) result_.logits.resize(std::min(result_.logits.size(), values(rows_until(made()))));
}

void Continuation::Add(GenerateResult part, bool to_the_end) {
  AddTimes(part);
  AddLogits(part.logits, part.n_vocab, to_the_end);
  result_.finish = part.finish;
  if (!part.stages.empty()) result_.stages = std::move(part.stages);
}

GenerateResult Continuation::Finish(const std::string& original_plan) && {
  result_.replanned = std::any_of(result_.parts.begin(), result_.parts.end(),
                                  [&](const GeneratedPart& part) { return part.plan != original_plan; });
  return std::move(result_);
}

}  // namespace dilemma
