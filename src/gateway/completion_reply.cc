#include "gateway/completion_reply.h"

#include <chrono>
#include <random>

namespace dilemma {
namespace {

std::string RandomName(std::string_view prefix) {
  std::random_device random;
  return fmt::format("{}-{:08x}{:08x}{:08x}", prefix, random(), random(), random());
}

int64_t UnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json UsageJson(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json TokenJson(const Tokenizer& tokenizer, int32_t token, float logprob) {
  const std::string piece = tokenizer.Piece(token);
  Json bytes = Json::array();
  for (const char byte : piece) bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", piece}, {"logprob", logprob}, {"bytes", std::move(bytes)}};
}

Json ChatLogprobs(const Tokenizer& tokenizer, const std::vector<AnswerToken>& tokens) {
  Json content = Json::array();
  for (const AnswerToken& token : tokens) {
    Json entry = TokenJson(tokenizer, token.logprobs.token, token.logprobs.logprob);
    Json& top = entry["top_logprobs"] = Json::array();
    for (const auto& [other, logprob] : token.logprobs.top)
      top.push_back(TokenJson(tokenizer, other, logprob));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json PlainLogprobs(const Tokenizer& tokenizer, const std::vector<AnswerToken>& tokens) {
  Json names = Json::array(), logprobs = Json::array(), tops = Json::array(), offsets = Json::array();
  for (const AnswerToken& token : tokens) {
    names.push_back(tokenizer.Piece(token.logprobs.token));
    logprobs.push_back(token.logprobs.logprob);
    offsets.push_back(token.offset);
    Json top = Json::object();
    for (const auto& [other, logprob] : token.logprobs.top) top[tokenizer.Piece(other)] = logprob;
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(names)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

}  // namespace

CompletionReply::CompletionReply(bool chat, std::string model, std::string fingerprint, int top_logprobs,
                                 const Tokenizer* tokenizer)
    : chat_(chat),
      model_(std::move(model)),
      fingerprint_(std::move(fingerprint)),
      id_(RandomName(chat ? "chatcmpl" : "cmpl")),
      created_(UnixSeconds()),
      top_logprobs_(top_logprobs),
      tokenizer_(tokenizer) {}

Json CompletionReply::Frame(bool chunk) const {
  Json frame = {{"id", id_},
                {"object", chat_ ? (chunk ? "chat.completion.chunk" : "chat.completion") : "text_completion"},
                {"created", created_},
                {"model", model_},
                {"system_fingerprint", fingerprint_}};
  if (replanned_) frame["replanned"] = true;
  return frame;
}

Json CompletionReply::Logprobs(const std::vector<AnswerToken>& tokens) const {
  if (top_logprobs_ < 0) return nullptr;
  return chat_ ? ChatLogprobs(*tokenizer_, tokens) : PlainLogprobs(*tokenizer_, tokens);
}

Json CompletionReply::Choice(Json content, Json logprobs, Json finish) const {
  Json choice = {{"index", 0}};
  choice.update(content);
  choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = std::move(finish);
  return choice;
}

std::string CompletionReply::Whole(const std::string& text, const std::vector<AnswerToken>& tokens,
                                   std::string_view finish, const Usage& usage) const {
  Json content = {{"text", text}};
  if (chat_) content = {{"message", {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}}}};
  Json json = Frame(false);
  json["choices"] = Json::array({Choice(std::move(content), Logprobs(tokens), std::string(finish))});
  json["usage"] = UsageJson(usage);
  return Dump(json);
}

std::string CompletionReply::ChunkOf(Json choice, bool usage_follows) const {
  Json json = Frame(true);
  json["choices"] = Json::array({std::move(choice)});
  if (usage_follows) json["usage"] = nullptr;
  return Event(json);
}

std::string CompletionReply::First(bool usage_follows) const {
  if (!chat_) return "";
  const Json delta = {{"delta", {{"role", "assistant"}, {"content", ""}}}};
  return ChunkOf(Choice(delta, nullptr, nullptr), usage_follows);
}

std::string CompletionReply::Chunk(const std::string& text, const std::vector<AnswerToken>& tokens,
                                   bool usage_follows) const {
  Json content = {{"text", text}};
  if (chat_) content = {{"delta", {{"content", text}}}};
  return ChunkOf(Choice(std::move(content), Logprobs(tokens), nullptr), usage_follows);
}

std::string CompletionReply::Last(std::string_view finish, bool usage_follows) const {
  Json content = {{"text", ""}};
  if (chat_) content = {{"delta", Json::object()}};
  return ChunkOf(Choice(std::move(content), nullptr, std::string(finish)), usage_follows);
}

std::string CompletionReply::UsageChunk(const Usage& usage) const {
  Json json = Frame(true);
  json["choices"] = Json::array();
  json["usage"] = UsageJson(usage);
  return Event(json);
}

std::string CompletionReply::Event(const Json& json) { return "data: " + Dump(json) + "\n\n"; }

}  // namespace dilemma
