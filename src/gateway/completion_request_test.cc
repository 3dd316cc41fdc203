#include "gateway/completion_request.h"

#include "gmock/gmock.h"

namespace dilemma {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CompletionRequest Parsed(std::string_view body, bool chat = true) {
  auto result = ParseCompletionRequest(body, chat);
  if (const auto* error = std::get_if<ApiError>(&result)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::get<CompletionRequest>(std::move(result));
}

ApiError Refusal(std::string_view body, bool chat = true) {
  auto result = ParseCompletionRequest(body, chat);
  if (const auto* error = std::get_if<ApiError>(&result)) return *error;
  ADD_FAILURE() << "taken: " << body;
  return {};
}

std::string Chat(const std::string& more) {
  return R"({"model": "m", "messages": [{"role": "user", "content": "hi"}])" + more + "}";
}

TEST(CompletionRequestTest, ReadsAllThatAChatMayHold) {
  const CompletionRequest request = Parsed(
      R"({"model": "m", "messages": [{"role": "system", "content": "be brief"},
          {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
          "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["x", "y"], "logprobs": true,
          "top_logprobs": 3, "stream": true, "stream_options": {"include_usage": true}, "user": "u", "n": 1,
          "tools": [], "response_format": {"type": "text"}, "metadata": {"unknown": [1]}})");
  ASSERT_EQ(request.messages.size(), 2u);
  EXPECT_EQ(request.messages[1].content, "ab");
  EXPECT_EQ(request.max_tokens, 5);
  EXPECT_EQ(request.sampling.temperature, 0.5);
  EXPECT_EQ(request.sampling.top_p, 0.9);
  EXPECT_EQ(request.sampling.seed, 7u);
  EXPECT_THAT(request.stops, ElementsAre("x", "y"));
  EXPECT_EQ(request.top_logprobs, 3);
  EXPECT_TRUE(request.stream && request.include_usage);
}

TEST(CompletionRequestTest, ReadsPromptsInEveryForm) {
  EXPECT_EQ(Parsed(R"({"model": "m", "prompt": "p"})", false).prompt, "p");
  EXPECT_EQ(Parsed(R"({"model": "m", "prompt": ["p"]})", false).prompt, "p");
  EXPECT_THAT(Parsed(R"({"model": "m", "prompt": [1, 2]})", false).prompt_tokens, ElementsAre(1, 2));
  EXPECT_THAT(Parsed(R"({"model": "m", "prompt": [[3]]})", false).prompt_tokens, ElementsAre(3));
  EXPECT_EQ(Refusal(R"({"model": "m", "prompt": ["p", "q"]})", false).param, "prompt");
  EXPECT_EQ(Refusal(R"({"model": "m", "prompt": [-1]})", false).param, "prompt");
  EXPECT_EQ(Refusal(R"({"model": "m", "prompt": [1e99]})", false).param, "prompt");
  EXPECT_EQ(Refusal(R"({"model": "m"})", false).param, "prompt");
}

TEST(CompletionRequestTest, DefaultsAreOpenAIs) {
  const CompletionRequest request = Parsed(Chat(""));
  EXPECT_EQ(request.sampling.temperature, 1);
  EXPECT_EQ(request.sampling.top_p, 1);
  EXPECT_EQ(request.max_tokens, std::nullopt);
  EXPECT_EQ(request.top_logprobs, kNoLogprobs);
  EXPECT_FALSE(request.stream);
}

TEST(CompletionRequestTest, WhatIsWrongIsNamed) {
  for (const auto& [more, param] : std::vector<std::pair<std::string, std::string>>{
           {R"(, "temperature": 3)", "temperature"},
           {R"(, "temperature": "hot")", "temperature"},
           {R"(, "top_p": -1)", "top_p"},
           {R"(, "max_tokens": 0)", "max_tokens"},
           {R"(, "max_tokens": 1.5)", "max_tokens"},
           {R"(, "max_tokens": 1e300)", "max_tokens"},
           {R"(, "stop": [""])", "stop"},
           {R"(, "stop": ["1", "2", "3", "4", "5"])", "stop"},
           {R"(, "stop": 7)", "stop"},
           {R"(, "seed": "x")", "seed"},
           {R"(, "n": 2)", "n"},
           {R"(, "top_logprobs": 3)", "top_logprobs"},
           {R"(, "logprobs": true, "top_logprobs": 21)", "top_logprobs"},
           {R"(, "stream": "yes")", "stream"},
           {R"(, "stream_options": {"include_usage": true})", "stream_options"},
           {R"(, "presence_penalty": 1)", "presence_penalty"},
           {R"(, "tools": [{"type": "function"}])", "tools"},
           {R"(, "logit_bias": {"1": 5})", "logit_bias"},
           {R"(, "response_format": {"type": "json_object"})", "response_format"}}) {
    const ApiError error = Refusal(Chat(more));
    EXPECT_EQ(error.param, param) << more << ": " << error.message;
    EXPECT_EQ(error.status, 400);
    EXPECT_THAT(error.message, HasSubstr(param));
  }
}

TEST(CompletionRequestTest, HostileBodiesAreRefused) {
  for (const std::string& body : std::vector<std::string>{
           "", "{", "[]", "7", "null", "{\"model\": 7}", "\xFF\xFE", std::string(100'000, '['),
           R"({"model": "m", "messages": {}})", R"({"model": "m", "messages": [7]})",
           R"({"model": "m", "messages": [{"role": "pope", "content": "x"}]})",
           R"({"model": "m", "messages": [{"role": "user"}]})",
           R"({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
           R"({"model": "m", "messages": [{"role": 1, "content": "x"}]})"}) {
    EXPECT_EQ(Refusal(body).status, 400) << body.substr(0, 80);
  }
}

}  // namespace
}  // namespace dilemma
