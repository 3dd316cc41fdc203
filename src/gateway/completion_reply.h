// Answers as OpenAI's API words them: one JSON document, or a stream of server-sent events.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/tokenizer.h"
#include "runtime/coordinator.h"

namespace dilemma {

// Token that was generated, with where its text begins in the answer.
struct AnswerToken {
  TokenLogprobs logprobs;
  size_t offset = 0;  // bytes
};

struct Usage {
  int64_t prompt_tokens = 0, completion_tokens = 0;
};

// Of one request.
class CompletionReply {
 public:
  // `top_logprobs`: as in GenerateRequest; `tokenizer` is not owned.
  CompletionReply(bool chat, std::string model, std::string fingerprint, int top_logprobs,
                  const Tokenizer* tokenizer);

  // What is said from now on is marked: some of the answer came from another plan than the one asked for.
  void MarkReplanned() { replanned_ = true; }

  std::string Whole(const std::string& text, const std::vector<AnswerToken>& tokens, std::string_view finish,
                    const Usage& usage) const;

  // Events of a stream, framing included. With `usage_follows` every chunk has a "usage", null until the
  // last.
  std::string First(bool usage_follows) const;  // chat: says whose turn it is; else empty
  std::string Chunk(const std::string& text, const std::vector<AnswerToken>& tokens,
                    bool usage_follows) const;
  std::string Last(std::string_view finish, bool usage_follows) const;
  std::string UsageChunk(const Usage& usage) const;
  static std::string Event(const Json& json);
  static std::string_view Done() { return "data: [DONE]\n\n"; }

 private:
  Json Frame(bool chunk) const;
  Json Logprobs(const std::vector<AnswerToken>& tokens) const;  // null where none were asked for
  Json Choice(Json content, Json logprobs, Json finish) const;
  std::string ChunkOf(Json choice, bool usage_follows) const;

  const bool chat_;
  const std::string model_, fingerprint_, id_;
  const int64_t created_;
  const int top_logprobs_;
  const Tokenizer* const tokenizer_;
  bool replanned_ = false;
};

}  // namespace dilemma
