// Runs a plan: ships its shards to the nodes, opens one stage on each and joins them to a ring, then
// generates text over it. Hidden states go from node to node; the last stage samples and sends the token's id
// straight to the first one and to the coordinator, which is not part of the loop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/cluster.h"
#include "engine/sampler.h"
#include "plan/plan.h"
#include "runtime/credentials.h"

namespace dilemma {

// Of one server, while shards are shipped: bytes done and all. Called from one thread at a time; returning
// false cancels.
using ShipReport = std::function<bool(std::string_view server, int64_t done, int64_t total)>;

// What one batch cost on its way through the ring. Seconds.
struct BatchStats {
  struct Stage {
    std::string server;
    double queue_s = 0;      // between arrival and start, and from end to sending
    double compute_s = 0;    // in the stage
    double wire_s = 0;       // into this stage from the one before (first stage: a token's way back; 0: none)
    int64_t sent_bytes = 0;  // to the next stage (last stage: the tokens' way back)
  };
  int64_t decode_rows = 0;  // one for each user that was decoding
  int64_t prompt_rows = 0;
  int64_t tokens = 0;         // sampled
  std::vector<Stage> stages;  // in order of execution
};

struct CoordinatorOptions {
  double connect_timeout_s = 5;
  double open_timeout_s = 120;      // of loading a shard
  double stall_timeout_s = 30;      // a request without any progress for this long has failed
  double peer_timeout_s = 5;        // silence after which a node counts as dead
  int64_t prefill_chunk = 64;       // tokens a pass
  bool all_logits = false;          // stages are opened such that WantLogits::kAll is possible (more memory)
  std::vector<int32_t> end_tokens;  // end generation: Tokenizer::EndOfGenerationTokens()
  ShipReport on_ship;
  std::shared_ptr<const Credentials> credentials;  // null: those that the cluster names
  // Called from a thread of the coordinator's after every batch, one at a time; must not block.
  std::function<void(const BatchStats& batch)> on_batch;
};

enum class WantLogits {
  kNone,
  kSampled,  // of every position that a token was sampled from
  kAll,      // of the prompt's positions as well
};

// Log-probabilities at one sampled token: of the model's own distribution (temperature 1, no top_p), natural
// logarithm. Computed by the last stage: no logits travel.
struct TokenLogprobs {
  int32_t token = 0;
  float logprob = 0;
  std::vector<std::pair<int32_t, float>> top;  // the most likely tokens, likeliest first
};

inline constexpr int kNoLogprobs = -1;
inline constexpr int kMaxTopLogprobs = 20;

struct GenerateResult;
struct GenerateRequest {
  std::vector<int32_t> prompt;  // tokens; at least one
  int64_t max_tokens = 64;
  SamplingOptions sampling;
  WantLogits want_logits = WantLogits::kNone;
  int top_logprobs = kNoLogprobs;  // 0 to kMaxTopLogprobs: on_logprobs is called, with this many of `top`
  // Called before OnToken with the same token, and for an end token too.
  std::function<void(const TokenLogprobs& logprobs)> on_logprobs;
  // Asked every now and then while no token comes; false stops the generation (kCancelled).
  std::function<bool()> still_wanted;
  GenerateResult* partial = nullptr;  // gets what there was of a generation that failed; not owned
};

enum class FinishReason { kEnd, kLength };  // an end token came (it is not part of the tokens); max_tokens

// Where the time of a generation went. Medians over the decoded tokens, seconds.
struct StageTimes {
  std::string server;
  double decode_compute_s = 0;   // in the stage
  double decode_queue_s = 0;     // between arrival and start, and from end to sending
  double decode_wire_s = 0;      // into this stage from the one before (first stage: the token's way back)
  double prefill_compute_s = 0;  // sum over the prompt's chunks
};

// The tokens from `first_token` on came from this plan (PlanId).
struct GeneratedPart {
  std::string plan;
  int64_t first_token = 0;
};

struct GenerateResult {
  std::vector<int32_t> tokens;  // the end token is left out
  FinishReason finish = FinishReason::kLength;
  double prefill_s = 0;         // from the call to the first token's arrival
  std::vector<double> token_s;  // between arrivals of consecutive tokens: one less than sampled tokens
  std::vector<StageTimes> stages;
  // As asked: prompt positions (kAll: all of them, kSampled: the last) and then one row for each token that
  // went back into the model; n_vocab values each.
  std::vector<float> logits;
  int64_t n_vocab = 0;
  // More than one where servers failed midway; empty from a coordinator that does not recover.
  std::vector<GeneratedPart> parts;
  bool replanned = false;  // some part came from another plan than the one that was asked for
};

// Called as tokens arrive, end tokens excluded; returning false stops the generation (kCancelled).
using OnToken = std::function<bool(int32_t token)>;

// Thread-safe: Generate may be called from several threads; more requests than plan.workload.users wait their
// turn. Destroying the object closes the stages; the shards stay on the nodes.
class Coordinator {
 public:
  // `shards`: folder that holds "<sha256>.gguf" for every stage (as `quantize` writes it). Errors name the
  // server. Nothing is left open on failure.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Open(const Plan& plan, const Cluster& cluster,
                                                           const std::filesystem::path& shards,
                                                           const CoordinatorOptions& options = {});
  virtual ~Coordinator() = default;

  // kUnavailable with the server's name where a node dies or falls silent. The coordinator cannot be used
  // after that.
  virtual absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request,
                                                  const OnToken& on_token = nullptr) = 0;
  virtual void Close() = 0;
  // Why it cannot be used any more; OK while it can.
  virtual absl::Status health() const { return absl::OkStatus(); }
};

}  // namespace dilemma
