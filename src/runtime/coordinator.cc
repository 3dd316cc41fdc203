#include "runtime/coordinator.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "base/interrupt.h"
#include "base/status.h"
#include "runtime/batch_meter.h"
#include "runtime/machine.h"
#include "runtime/ring.h"
#include "runtime/shipping.h"
#include "runtime/stage_times.h"

namespace dilemma {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);  // how often Ctrl-C is looked for

v1::Logits ToWire(WantLogits want) {
  switch (want) {
    case WantLogits::kNone:
      return v1::LOGITS_NONE;
    case WantLogits::kSampled:
      return v1::LOGITS_SAMPLED;
    case WantLogits::kAll:
      return v1::LOGITS_ALL;
  }
  return v1::LOGITS_NONE;
}

TokenLogprobs LogprobsOf(const v1::SampledToken& token) {
  TokenLogprobs logprobs = {token.token(), token.logprob(), {}};
  const int count = std::min(token.top_tokens_size(), token.top_logprobs_size());
  for (int i = 0; i < count; ++i) logprobs.top.emplace_back(token.top_tokens(i), token.top_logprobs(i));
  return logprobs;
}

// One request under way. Guarded by the coordinator's mutex.
struct Call {
  explicit Call(StageTimeKeeper keeper) : times(std::move(keeper)) {}
  struct Arrival {
    v1::SampledToken token;
    int64_t ns = 0;
  };
  std::deque<Arrival> arrivals;
  std::vector<float> logits;
  StageTimeKeeper times;
};

absl::Status CheckPlan(const Plan& plan, const Cluster& cluster, const std::filesystem::path& shards) {
  RETURN_IF_ERROR(CheckShape(plan, "plan"));
  for (const PlanStage& stage : plan.stages) {
    if (cluster.IndexOf(stage.server) < 0) {
      return InvalidArgument("the plan runs on server '{}', which the cluster '{}' does not have",
                             stage.server, cluster.name);
    }
    if (stage.shard.empty()) {
      return FailedPrecondition("the plan has no shard for server '{}': run `dilemma quantize` on it first",
                                stage.server);
    }
    std::error_code error;
    if (!std::filesystem::exists(ShardPath(shards, stage), error)) {
      return NotFound("shard '{}' of server '{}' is not there: run `dilemma quantize` again",
                      ShardPath(shards, stage).string(), stage.server);
    }
  }
  return absl::OkStatus();
}

class RingCoordinator : public Coordinator {
 public:
  RingCoordinator(const Plan& plan, const CoordinatorOptions& options) : plan_(plan), options_(options) {}
  ~RingCoordinator() override { Close(); }

  absl::Status OpenRing(const Cluster& cluster) {
    Ring::Listener listener;
    listener.on_tokens = [this](const v1::TokensEvent& event) { OnTokens(event); };
    listener.on_logits = [this](const v1::LogitsEvent& event) { OnLogits(event); };
    listener.on_failure = [this](const absl::Status& why) { OnFailure(why); };
    ASSIGN_OR_RETURN(std::unique_ptr<Ring> ring, Ring::Open(plan_, cluster, options_, std::move(listener)));
    const std::lock_guard lock(mutex_);  // its listeners run already
    ring_ = std::move(ring);
    if (options_.on_batch) meter_.emplace(ring_->servers(), ring_->clock_offset_ns());
    return absl::OkStatus();
  }

  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request, const OnToken& on_token) override {
    RETURN_IF_ERROR(Check(request));
    const int64_t start_ns = MonotonicNanos();
    const auto [id, call] = Register(static_cast<int64_t>(request.prompt.size()));
    ring_->Submit(Message(id, request));
    GenerateResult result;
    const absl::Status ended = Follow(id, *call, request, on_token, start_ns, &result);
    const std::lock_guard lock(mutex_);
    result.stages = call->times.Summary();
    result.logits = std::move(call->logits);
    result.n_vocab = ring_->n_vocab();
    calls_.erase(id);
    if (ended.ok()) return result;
    if (request.partial != nullptr) *request.partial = std::move(result);
    return ended;
  }

  absl::Status health() const override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  void Close() override {
    OnFailure(absl::CancelledError("the coordinator was closed"));
    if (ring_ != nullptr) ring_->Close();
  }

 private:
  absl::Status Check(const GenerateRequest& request) const {
    const auto prompt = static_cast<int64_t>(request.prompt.size());
    if (prompt == 0) return InvalidArgument("the prompt has no tokens");
    if (prompt > plan_.workload.context) {
      return InvalidArgument("the prompt has {} tokens, and the plan's context is {}", prompt,
                             plan_.workload.context);
    }
    if (request.max_tokens < 1) return InvalidArgument("max_tokens is {}: at least 1", request.max_tokens);
    for (const int32_t token : request.prompt) {
      if (token < 0 || token >= ring_->n_vocab()) {
        return InvalidArgument("token {} is not one of the model's {}", token, ring_->n_vocab());
      }
    }
    const SamplingOptions& sampling = request.sampling;
    if (!(sampling.temperature >= 0 && sampling.temperature < 1e6) ||
        !(sampling.top_p > 0 && sampling.top_p <= 1) || sampling.top_k < 0) {
      return InvalidArgument(
          "temperature {} (at least 0), top_p {} (above 0, at most 1), top_k {} (at least 0)",
          sampling.temperature, sampling.top_p, sampling.top_k);
    }
    if (request.want_logits == WantLogits::kAll && !options_.all_logits) {
      return InvalidArgument("logits of all positions need CoordinatorOptions::all_logits");
    }
    if (request.top_logprobs < kNoLogprobs || request.top_logprobs > kMaxTopLogprobs) {
      return InvalidArgument("top_logprobs is {}: at most {}", request.top_logprobs, kMaxTopLogprobs);
    }
    return absl::OkStatus();
  }

  static v1::SubmitRequest Message(uint64_t id, const GenerateRequest& request) {
    v1::SubmitRequest message;
    message.set_request(id);
    message.mutable_prompt()->Assign(request.prompt.begin(), request.prompt.end());
    v1::RequestOptions& options = *message.mutable_options();
    options.set_max_tokens(request.max_tokens);
    options.set_temperature(request.sampling.temperature);
    options.set_top_p(request.sampling.top_p);
    options.set_top_k(request.sampling.top_k);
    options.set_seed(request.sampling.seed);
    options.set_drawn(request.sampling.drawn);
    options.set_logits(ToWire(request.want_logits));
    options.set_logprobs(request.top_logprobs + 1);
    return message;
  }

  std::pair<uint64_t, std::shared_ptr<Call>> Register(int64_t prompt_tokens) {
    const std::lock_guard lock(mutex_);
    const uint64_t id = next_id_++;
    auto call =
        std::make_shared<Call>(StageTimeKeeper(ring_->servers(), ring_->clock_offset_ns(), prompt_tokens));
    calls_.emplace(id, call);
    last_event_ns_ = MonotonicNanos();
    return {id, std::move(call)};
  }

  // Takes what arrives until the request is over.
  absl::Status Follow(uint64_t id, Call& call, const GenerateRequest& request, const OnToken& on_token,
                      int64_t start_ns, GenerateResult* result) {
    bool cancelled = false;
    int64_t last_ns = start_ns;
    bool first = true;
    while (true) {
      ASSIGN_OR_RETURN(const auto arrival, WaitForArrival(call));
      if (!arrival.has_value()) {
        const bool unwanted =
            Interrupted() || (request.still_wanted && !cancelled && !request.still_wanted());
        if (unwanted && !std::exchange(cancelled, true)) ring_->Cancel(id);
        continue;
      }
      const v1::SampledToken& token = arrival->token;
      if (token.finish() == v1::FINISH_CANCELLED) return absl::CancelledError("the generation was stopped");
      const double since_s = static_cast<double>(arrival->ns - last_ns) * 1e-9;
      if (std::exchange(first, false)) {
        result->prefill_s = since_s;
      } else {
        result->token_s.push_back(since_s);
      }
      last_ns = arrival->ns;
      if (request.top_logprobs >= 0 && request.on_logprobs && !cancelled) {
        request.on_logprobs(LogprobsOf(token));
      }
      if (token.finish() != v1::FINISH_END) {
        result->tokens.push_back(token.token());
        if (on_token && !cancelled && !on_token(token.token())) {
          cancelled = true;
          ring_->Cancel(id);
        }
      }
      if (token.finish() == v1::FINISH_NOT) continue;
      result->finish = token.finish() == v1::FINISH_END ? FinishReason::kEnd : FinishReason::kLength;
      return cancelled ? absl::CancelledError("the generation was stopped") : absl::OkStatus();
    }
  }

  // Nothing after a short time, so that the caller can look around.
  absl::StatusOr<std::optional<Call::Arrival>> WaitForArrival(Call& call) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, kTick, [&] { return !call.arrivals.empty() || !failure_.ok(); });
    if (!call.arrivals.empty()) {
      Call::Arrival arrival = std::move(call.arrivals.front());
      call.arrivals.pop_front();
      return arrival;
    }
    if (!failure_.ok()) return failure_;
    const double silent_s = static_cast<double>(MonotonicNanos() - last_event_ns_) * 1e-9;
    if (silent_s > options_.stall_timeout_s) {
      return absl::DeadlineExceededError(
          fmt::format("no progress for {:.0f} s, and no server reported a failure", silent_s));
    }
    return std::optional<Call::Arrival>();
  }

  void OnTokens(const v1::TokensEvent& event) {
    const int64_t now = MonotonicNanos();
    std::optional<BatchStats> stats;
    {
      const std::lock_guard lock(mutex_);
      if (meter_.has_value()) stats = meter_->Measure(event);
    }
    if (stats.has_value()) options_.on_batch(*stats);
    const std::lock_guard lock(mutex_);
    last_event_ns_ = now;
    for (const v1::BatchRun& run : event.runs()) {
      const auto it = calls_.find(run.request());
      if (it != calls_.end() && !run.cancel()) it->second->times.Add(event, run);
    }
    for (const v1::SampledToken& token : event.tokens()) {
      const auto it = calls_.find(token.request());
      if (it != calls_.end()) it->second->arrivals.push_back({token, now});
    }
    arrived_.notify_all();
  }

  void OnLogits(const v1::LogitsEvent& event) {
    const std::lock_guard lock(mutex_);
    const auto it = calls_.find(event.request());
    if (it == calls_.end()) return;
    std::vector<float>& logits = it->second->logits;
    const size_t count = event.logits().size() / sizeof(float);
    if (count == 0) return;
    logits.resize(logits.size() + count);
    std::memcpy(logits.data() + logits.size() - count, event.logits().data(), count * sizeof(float));
  }

  void OnFailure(const absl::Status& why) {
    const std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = why;
    arrived_.notify_all();
  }

  const Plan plan_;
  const CoordinatorOptions options_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable arrived_;
  std::map<uint64_t, std::shared_ptr<Call>> calls_;
  uint64_t next_id_ = 1;
  int64_t last_event_ns_ = 0;
  absl::Status failure_;
  std::optional<BatchMeter> meter_;

  std::unique_ptr<Ring> ring_;  // last: its threads use what is above
};

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Open(const Plan& plan, const Cluster& cluster,
                                                               const std::filesystem::path& shards,
                                                               const CoordinatorOptions& options) {
  RETURN_IF_ERROR(CheckPlan(plan, cluster, shards));
  CoordinatorOptions filled = options;
  if (filled.credentials == nullptr) {
    ASSIGN_OR_RETURN(filled.credentials, CredentialsFor(cluster));
  }
  RETURN_IF_ERROR(ShipShards(plan, cluster, shards, filled));
  auto coordinator = std::make_unique<RingCoordinator>(plan, filled);
  RETURN_IF_ERROR(coordinator->OpenRing(cluster));
  return coordinator;
}

}  // namespace dilemma
