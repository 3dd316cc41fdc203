#include "runtime/llama_rpc.h"

#include <algorithm>
#include <mutex>

#include "base/interrupt.h"
#include "base/status.h"
#include "runtime/machine.h"

namespace dilemma {
namespace {

class LlamaRpcCoordinator : public Coordinator {
 public:
  LlamaRpcCoordinator(std::unique_ptr<Stage> stage, const Plan& plan, std::vector<int32_t> end_tokens,
                      int64_t chunk)
      : context_(plan.workload.context),
        chunk_(chunk),
        end_tokens_(std::move(end_tokens)),
        stage_(std::move(stage)) {}

  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request, const OnToken& on_token) override {
    const std::lock_guard lock(mutex_);
    if (stage_ == nullptr) return absl::CancelledError("it was closed");
    if (request.want_logits != WantLogits::kNone)
      return InvalidArgument("logits are not given by the llama-rpc engine");
    if (request.prompt.empty() || static_cast<int64_t>(request.prompt.size()) > context_)
      return InvalidArgument("a prompt of {} tokens in a context of {}", request.prompt.size(), context_);
    RETURN_IF_ERROR(stage_->Truncate(0, 0));
    position_ = 0;
    return Loop(request, on_token);
  }

  void Close() override {
    const std::lock_guard lock(mutex_);
    stage_.reset();
  }

 private:
  absl::StatusOr<std::span<const float>> Pass(std::span<const int32_t> tokens) {
    std::vector<RowPlace> rows;
    for (size_t i = 0; i < tokens.size(); ++i) rows.push_back({position_++, 0});
    return stage_->Run({.rows = rows, .tokens = tokens, .hidden = {}, .want_logits = {}});
  }

  absl::StatusOr<std::span<const float>> Prefill(std::span<const int32_t> prompt) {
    absl::StatusOr<std::span<const float>> logits;
    const auto chunk = static_cast<size_t>(chunk_);
    for (size_t at = 0; at < prompt.size(); at += chunk) {
      logits = Pass(prompt.subspan(at, std::min(chunk, prompt.size() - at)));
      if (!logits.ok()) break;
    }
    return logits;
  }

  absl::StatusOr<GenerateResult> Loop(const GenerateRequest& request, const OnToken& on_token) {
    const auto sampler = Sampler::Create(request.sampling);
    GenerateResult result;
    result.n_vocab = stage_->n_vocab();
    int64_t last_ns = MonotonicNanos();
    auto logits = Prefill(request.prompt);
    for (bool first = true;; first = false) {
      if (!logits.ok()) return logits.status();
      if (Interrupted()) return InterruptedStatus();
      const int32_t token = sampler->Sample(*logits);
      const int64_t now = MonotonicNanos();
      const double seconds = static_cast<double>(now - last_ns) * 1e-9;
      last_ns = now;
      if (first) {
        result.prefill_s = seconds;
      } else {
        result.token_s.push_back(seconds);
      }
      if (std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end()) {
        result.finish = FinishReason::kEnd;
        return result;
      }
      result.tokens.push_back(token);
      if (on_token && !on_token(token)) return absl::CancelledError("the generation was stopped");
      if (static_cast<int64_t>(result.tokens.size()) >= request.max_tokens || position_ >= context_)
        return result;
      logits = Pass({&token, 1});
    }
  }

  const int64_t context_, chunk_;
  const std::vector<int32_t> end_tokens_;
  std::mutex mutex_;  // guards what follows
  std::unique_ptr<Stage> stage_;
  int32_t position_ = 0;
};

}  // namespace

absl::StatusOr<RpcPlacement> RpcPlacementOf(const Plan& plan, const LlamaRpcOptions& options) {
  RETURN_IF_ERROR(CheckShape(plan, "plan"));
  RpcPlacement placement;
  placement.head_here = options.head_on_client;
  placement.flash_attention = options.flash_attention;
  for (const PlanStage& stage : plan.stages) {
    const auto address = options.addresses.find(stage.server);
    if (address == options.addresses.end())
      return InvalidArgument(
          "the plan's server '{}' has no ggml-rpc-server: give one with --rpc {}=HOST:PORT", stage.server,
          stage.server);
    RpcServer server;
    server.address = address->second;
    server.layers = stage.last_unit - std::max(1, stage.first_unit) + 1;  // unit 0 is the embedding
    placement.servers.push_back(server);
  }
  return placement;
}

absl::StatusOr<std::unique_ptr<Coordinator>> OpenLlamaRpc(const Plan& plan,
                                                          const std::filesystem::path& whole,
                                                          const LlamaRpcOptions& options) {
  ASSIGN_OR_RETURN(const RpcPlacement placement, RpcPlacementOf(plan, options));
  const int64_t chunk = CoordinatorOptions().prefill_chunk;
  StageOptions stage;
  stage.context = plan.workload.context;
  stage.max_batch = chunk;
  stage.threads = options.threads;
  ASSIGN_OR_RETURN(auto loaded, LoadOverRpc(whole, stage, placement));
  return std::make_unique<LlamaRpcCoordinator>(std::move(loaded), plan, options.end_tokens, chunk);
}

}  // namespace dilemma
