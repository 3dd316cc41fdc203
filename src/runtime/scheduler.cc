#include "runtime/scheduler.h"

#include <algorithm>
#include <limits>

#include "base/status.h"

namespace dilemma {
namespace {

constexpr size_t kMaxWaiting = 10'000;
constexpr int64_t kMaxWaitingTokens = int64_t{1} << 22;  // of their prompts, 16 MiB: more than any context

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options) {
  for (int slot = 0; slot < options.slots; ++slot) free_slots_.insert(static_cast<uint32_t>(slot));
}

absl::Status Scheduler::Submit(const v1::SubmitRequest& request, int64_t now_ns) {
  if (request.prompt_size() == 0) return InvalidArgument("a request with an empty prompt");
  if (request.prompt_size() > options_.context) {
    return InvalidArgument("a prompt of {} tokens does not fit the context of {}", request.prompt_size(),
                           options_.context);
  }
  const auto same = [&](const Request& other) { return other.submitted.request() == request.request(); };
  if (active_.contains(request.request()) || std::any_of(waiting_.begin(), waiting_.end(), same)) {
    return InvalidArgument("request {} was submitted before", request.request());
  }
  if (waiting_.size() >= kMaxWaiting || waiting_tokens_ + request.prompt_size() > kMaxWaitingTokens) {
    return absl::ResourceExhaustedError(fmt::format(
        "{} requests with {} tokens in their prompts wait already", waiting_.size(), waiting_tokens_));
  }
  waiting_tokens_ += request.prompt_size();
  Request& added = waiting_.emplace_back();
  added.submitted = request;
  added.ready_ns = now_ns;
  Admit();
  return absl::OkStatus();
}

void Scheduler::Admit() {
  while (!waiting_.empty() && !free_slots_.empty()) {
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_tokens_ -= request.submitted.prompt_size();
    request.slot = free_slots_.extract(free_slots_.begin()).value();
    active_.emplace(request.submitted.request(), std::move(request));
  }
}

void Scheduler::Cancel(uint64_t request, int64_t now_ns) {
  const auto waits = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Request& r) { return r.submitted.request() == request; });
  const auto runs = active_.find(request);
  if (waits == waiting_.end() && runs == active_.end()) return;
  // Rows of the request that are on their way stay ahead of those that its slot gets next.
  if (runs != active_.end()) {
    free_slots_.insert(runs->second.slot);
    active_.erase(runs);
  } else {
    waiting_tokens_ -= waits->submitted.prompt_size();
    waiting_.erase(waits);
  }
  cancelled_.emplace(request, now_ns);
  Admit();
}

void Scheduler::Return(const v1::BatchReturn& back, int64_t now_ns) {
  prompt_batches_.erase(back.batch());
  decode_batches_.erase(back.batch());
  for (const v1::SampledToken& sampled : back.tokens()) {
    const auto it = active_.find(sampled.request());
    if (it == active_.end()) continue;  // cancelled meanwhile
    if (sampled.finish() != v1::FINISH_NOT) {
      free_slots_.insert(it->second.slot);
      active_.erase(it);
      continue;
    }
    it->second.has_token = true;
    it->second.token = sampled.token();
    it->second.ready_ns = now_ns;
  }
  Admit();
}

const Scheduler::Request* Scheduler::NextPrompt() const {
  if (static_cast<int>(prompt_batches_.size()) >= options_.prefill_window) return nullptr;
  const auto before = [](const Request& a, const Request& b) {
    if (a.GoesOn() != b.GoesOn()) return a.GoesOn();
    // Of new prompts the one whose turn is longest ago: a short one overtakes a long one, and a long one gets
    // its share.
    return a.GoesOn() ? a.PromptLeft() < b.PromptLeft() : a.last_batch < b.last_batch;
  };
  const Request* best = nullptr;
  for (const auto& [id, request] : active_) {
    if (request.PromptLeft() > 0 && (best == nullptr || before(request, *best))) best = &request;
  }
  return best;
}

size_t Scheduler::GroupRows() const {
  const auto decoding = static_cast<size_t>(std::count_if(
      active_.begin(), active_.end(), [](const auto& entry) { return entry.second.PromptLeft() == 0; }));
  const auto groups = static_cast<size_t>(std::max(1, options_.groups));
  return std::min(static_cast<size_t>(options_.max_batch), (decoding + groups - 1) / groups);
}

bool Scheduler::MayDecode() const {
  if (static_cast<int>(decode_batches_.size()) >= std::max(1, options_.groups)) return false;
  return std::any_of(active_.begin(), active_.end(),
                     [](const auto& entry) { return entry.second.has_token; });
}

bool Scheduler::Ready() const { return !cancelled_.empty() || NextPrompt() != nullptr || MayDecode(); }

void Scheduler::AddDecodes(ScheduledBatch* work) {
  std::vector<Request*> ready;
  for (auto& [id, request] : active_) {
    if (request.has_token) ready.push_back(&request);
  }
  std::stable_sort(ready.begin(), ready.end(),
                   [](const Request* a, const Request* b) { return a->ready_ns < b->ready_ns; });
  ready.resize(std::min(ready.size(), GroupRows()));
  for (Request* request : ready) {
    v1::BatchRun* run = work->batch.add_runs();
    run->set_request(request->submitted.request());
    run->set_slot(request->slot);
    run->set_position(request->position);
    run->set_rows(1);
    run->set_sample(true);
    work->tokens.push_back(request->token);
    work->ready_ns = std::min(work->ready_ns, request->ready_ns);
    request->has_token = false;
    ++request->position;
  }
  decode_batches_.insert(work->batch.number());
}

void Scheduler::AddPrompt(ScheduledBatch* work) {
  Request& request = active_.at(NextPrompt()->submitted.request());
  const int64_t left = request.PromptLeft();
  const int64_t drawn = std::clamp<int64_t>(request.submitted.options().drawn(), 0, left);
  const int64_t fresh = left - drawn;  // not yet of an answer
  const int64_t together = fresh > 0 ? fresh : std::min(left, rows_alike_);
  const int64_t rows = std::min({together, options_.max_batch, options_.prefill_chunk});
  v1::BatchRun* run = work->batch.add_runs();
  run->set_request(request.submitted.request());
  run->set_slot(request.slot);
  run->set_position(request.position);
  run->set_rows(static_cast<uint32_t>(rows));
  run->set_sample(rows == left);
  if (request.position == 0) *run->mutable_options() = request.submitted.options();
  const auto begin = request.submitted.prompt().begin() + request.position;
  work->tokens.insert(work->tokens.end(), begin, begin + rows);
  work->ready_ns = std::min(work->ready_ns, request.ready_ns);
  request.position += static_cast<uint32_t>(rows);
  request.last_batch = work->batch.number();
  prompt_batches_.insert(work->batch.number());
}

ScheduledBatch Scheduler::Next() {
  ScheduledBatch work;
  work.ready_ns = std::numeric_limits<int64_t>::max();
  work.batch.set_number(next_number_++);
  for (const auto& [request, when_ns] : cancelled_) {
    v1::BatchRun* run = work.batch.add_runs();
    run->set_request(request);
    run->set_cancel(true);
    work.ready_ns = std::min(work.ready_ns, when_ns);
  }
  cancelled_.clear();
  const bool prompt = NextPrompt() != nullptr && (prompts_turn_ || !MayDecode());
  if (prompt) {
    AddPrompt(&work);
  } else if (MayDecode()) {
    AddDecodes(&work);
  }
  prompts_turn_ = !prompt;
  return work;
}

}  // namespace dilemma
