// What a client asks of /v1/chat/completions and /v1/completions, read and checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/sampler.h"
#include "engine/tokenizer.h"
#include "gateway/api_error.h"
#include "runtime/coordinator.h"

namespace dilemma {

struct CompletionRequest {
  bool chat = false;
  std::string model;
  std::vector<ChatMessage> messages;   // chat
  std::string prompt;                  // else: text, or
  std::vector<int32_t> prompt_tokens;  // tokens
  std::optional<int64_t> max_tokens;
  SamplingOptions sampling;
  std::vector<std::string> stops;
  int top_logprobs = kNoLogprobs;
  bool stream = false, include_usage = false, echo = false;
  std::string user;  // who it is for, in the client's own words
};

// Unknown fields are left alone, as OpenAI's servers do; those that change the answer and are not supported
// are refused by name.
std::variant<CompletionRequest, ApiError> ParseCompletionRequest(std::string_view body, bool chat);

}  // namespace dilemma
