// /v1/chat/completions and /v1/completions: from a request's body to an answer over the ring.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "gateway/admission.h"
#include "gateway/completion_reply.h"
#include "gateway/completion_request.h"
#include "gateway/http_server.h"
#include "gateway/metrics.h"
#include "plan/plan.h"

namespace dilemma {

struct CompletionsOptions {
  std::string model;      // the only one there is
  int64_t context = 512;  // tokens
};

// Thread-safe.
class Completions {
 public:
  // Nothing is owned; all of it outlives the object.
  Completions(const CompletionsOptions& options, Coordinator* coordinator, const Tokenizer* tokenizer,
              Admission* admission, Metrics* metrics)
      : options_(options),
        coordinator_(coordinator),
        tokenizer_(tokenizer),
        admission_(admission),
        metrics_(metrics) {}

  // `client`: whose turn it is, for fairness.
  HttpReply Handle(const HttpRequest& http, bool chat, const std::string& client);

  // Generations under way end now, as cancelled.
  void Abandon() { abandoned_ = true; }

  // What answers from now on: told to clients as a fingerprint of its shards. What failed before is
  // forgotten.
  void Use(const Plan& plan);

  // Why there is no ring, or the error of the last generation that failed by the ring's fault; OK after one
  // that went well.
  absl::Status Health() const;

 private:
  struct Job;
  std::variant<std::shared_ptr<Job>, ApiError> Prepare(const HttpRequest& http, bool chat);
  absl::StatusOr<std::vector<int32_t>> Tokens(const CompletionRequest& request) const;
  HttpReply Answer(Job& job);
  void Stream(Job& job, const BodyWriter& write);
  // Generates; `on_text` takes text that may go out with its tokens, false stops.
  using OnText = std::function<bool(const std::string& text, const std::vector<AnswerToken>& tokens)>;
  absl::Status Generate(Job& job, const OnText& on_text);
  void Note(const absl::Status& status);
  std::string Fingerprint() const;

  const CompletionsOptions options_;
  Coordinator* const coordinator_;
  const Tokenizer* const tokenizer_;
  Admission* const admission_;
  Metrics* const metrics_;
  std::atomic<bool> abandoned_ = false;
  mutable std::mutex mutex_;  // guards what follows
  absl::Status health_;
  std::string fingerprint_;
};

}  // namespace dilemma
