// The door to a running plan: an OpenAI-compatible HTTP API, metrics for Prometheus and a live page.
//
//   POST /v1/chat/completions, /v1/completions    GET /v1/models, /v1/models/NAME
//   GET /health   /metrics   /status (JSON of the live page)   / (the live page)
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"

namespace dilemma {

struct GatewayOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                    // 0: a free one
  std::string model;                  // as clients call it; empty: the plan's
  std::vector<std::string> api_keys;  // any of them opens the door; empty: no key is needed
  int max_queue = 64;                 // requests that wait for a KV slot; more: 429
  int64_t max_body_bytes = 1 << 20;   // of a request; more: 413
  int max_connections = 256;          // more: 503
  double request_timeout_s = 20;      // for a whole request to come in; more: 408
  double write_timeout_s = 10;        // for a client to take what is ready; more: it has left
};

// Thread-safe.
class Gateway {
 public:
  // Options of the coordinator that the gateway needs: batches are told to it, and Ctrl-C is the gateway's.
  // Call before the coordinator is opened; the gateway may be started later, or never.
  class BatchTap;
  static std::shared_ptr<BatchTap> Tap(CoordinatorOptions* options);
  // For RecoveryOptions::on_plan: metrics and fingerprint are those of the plan in use.
  static std::function<void(const Plan& plan, bool replanned)> FollowPlans(std::shared_ptr<BatchTap> tap);

  // `coordinator` and `tokenizer` are not owned and outlive the gateway. `tap` may be null: no figures of
  // stages.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const GatewayOptions& options, const Plan& plan,
                                                        Coordinator* coordinator, const Tokenizer* tokenizer,
                                                        std::shared_ptr<BatchTap> tap);
  virtual ~Gateway() = default;

  virtual int port() const = 0;
  // Takes no more requests; those that run have `grace_s` to end, then they are cancelled. Blocks until all
  // are gone.
  virtual void Stop(double grace_s) = 0;
};

}  // namespace dilemma
