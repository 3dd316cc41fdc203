#include "gateway/completion_request.h"

#include <cmath>
#include <random>

#include "base/json.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr size_t kMaxStops = 4;
constexpr int64_t kMaxTopCompletions = 5;  // what OpenAI allows for /v1/completions
constexpr int64_t kMaxTokens = int64_t{1} << 24;

// Thrown within this file only: a request is read field by field, and the first bad one ends it.
struct Refused {
  ApiError error;
};

[[noreturn]] void Refuse(std::string message, std::string param, std::string code = "") {
  throw Refused{BadRequest(std::move(message), std::move(param), std::move(code))};
}

class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  const Json* Find(const std::string& name) const {
    const auto it = json_.find(name);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  double Number(const std::string& name, double fallback, double low, double high) const {
    const Json* value = Find(name);
    if (value == nullptr) return fallback;
    if (!value->is_number()) Refuse(fmt::format("'{}' must be a number", name), name, "invalid_type");
    const auto number = value->get<double>();
    if (!(number >= low && number <= high)) {
      Refuse(fmt::format("'{}' is {}: it must be from {} to {}", name, number, low, high), name,
             "invalid_value");
    }
    return number;
  }
  std::optional<int64_t> Integer(const std::string& name, int64_t low, int64_t high) const {
    const Json* value = Find(name);
    if (value == nullptr) return std::nullopt;
    const bool whole = value->is_number_integer() ||
                       (value->is_number() && std::floor(value->get<double>()) == value->get<double>());
    if (!whole) Refuse(fmt::format("'{}' must be a whole number", name), name, "invalid_type");
    const auto number = value->get<double>();  // as a double first: any size of it
    if (number < static_cast<double>(low) || number > static_cast<double>(high)) {
      Refuse(fmt::format("'{}' is {}: it must be from {} to {}", name, value->dump(), low, high), name,
             "invalid_value");
    }
    return static_cast<int64_t>(number);
  }
  bool Flag(const std::string& name) const {
    const Json* value = Find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) Refuse(fmt::format("'{}' must be true or false", name), name, "invalid_type");
    return value->get<bool>();
  }
  std::string Text(const std::string& name) const {
    const Json* value = Find(name);
    if (value == nullptr) return "";
    if (!value->is_string()) Refuse(fmt::format("'{}' must be a string", name), name, "invalid_type");
    return value->get<std::string>();
  }

 private:
  const Json& json_;
};

std::string MessageText(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) Refuse(fmt::format("'{}' must be a string, or parts of text", where), where);
  std::string text;
  for (const Json& part : content) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.contains("text") ||
        !part["text"].is_string()) {
      Refuse(fmt::format("'{}': this model takes parts of type 'text' only", where), where);
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

void ReadMessages(const Fields& fields, CompletionRequest* request) {
  const Json* messages = fields.Find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    Refuse("'messages' must be a list with at least one message", "messages");
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    const std::string where = fmt::format("messages[{}]", i);
    if (!message.is_object()) Refuse(fmt::format("'{}' must be an object", where), where);
    ChatMessage& added = request->messages.emplace_back();
    const Fields parts(message);
    added.role = parts.Text("role");
    if (added.role == "developer") added.role = "system";
    if (added.role != "system" && added.role != "user" && added.role != "assistant") {
      Refuse(fmt::format("'{}.role' is '{}': system, user or assistant", where, added.role), where + ".role");
    }
    const Json* content = parts.Find("content");
    if (content == nullptr) Refuse(fmt::format("'{}.content' is missing", where), where + ".content");
    added.content = MessageText(*content, where + ".content");
  }
}

void ReadPrompt(const Fields& fields, CompletionRequest* request) {
  const Json* prompt = fields.Find("prompt");
  if (prompt == nullptr) Refuse("'prompt' is missing", "prompt");
  if (prompt->is_array() && prompt->size() == 1 && !prompt->front().is_number()) prompt = &prompt->front();
  if (prompt->is_string()) {
    request->prompt = prompt->get<std::string>();
    return;
  }
  if (!prompt->is_array() || prompt->empty()) {
    Refuse("'prompt' must be a string or a list of tokens: one prompt a request", "prompt");
  }
  for (const Json& token : *prompt) {
    if (!token.is_number_integer() || token < 0 || token > INT32_MAX) {
      Refuse("'prompt' must be one string or one list of tokens", "prompt");
    }
    request->prompt_tokens.push_back(token.get<int32_t>());
  }
}

void ReadStops(const Fields& fields, CompletionRequest* request) {
  const Json* stop = fields.Find("stop");
  if (stop == nullptr) return;
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  if (!list.is_array() || list.size() > kMaxStops) {
    Refuse(fmt::format("'stop' must be a string, or a list of at most {} strings", kMaxStops), "stop");
  }
  for (const Json& entry : list) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty()) {
      Refuse("'stop' must hold strings that are not empty", "stop");
    }
    request->stops.push_back(entry.get<std::string>());
  }
}

void ReadLogprobs(const Fields& fields, CompletionRequest* request) {
  if (!request->chat) {
    if (const auto top = fields.Integer("logprobs", 0, kMaxTopCompletions)) {
      request->top_logprobs = static_cast<int>(*top);
    }
    return;
  }
  const bool wanted = fields.Flag("logprobs");
  const auto top = fields.Integer("top_logprobs", 0, kMaxTopLogprobs);
  if (top.has_value() && !wanted) Refuse("'top_logprobs' needs 'logprobs': true", "top_logprobs");
  if (wanted) request->top_logprobs = static_cast<int>(top.value_or(0));
}

void RefuseUnsupported(const Fields& fields) {
  if (fields.Integer("n", 1, 128).value_or(1) != 1)
    Refuse("'n' must be 1: ask again for more answers", "n", "unsupported");
  if (fields.Integer("best_of", 1, 128).value_or(1) != 1)
    Refuse("'best_of' must be 1", "best_of", "unsupported");
  for (const char* name : {"presence_penalty", "frequency_penalty"}) {
    if (fields.Number(name, 0, -2, 2) != 0)
      Refuse(fmt::format("'{}' is not supported: leave it out", name), name, "unsupported");
  }
  for (const char* name : {"tools", "functions", "logit_bias", "suffix", "audio", "prediction"}) {
    const Json* value = fields.Find(name);
    if (value != nullptr && !value->empty() && *value != "") {
      Refuse(fmt::format("'{}' is not supported: leave it out", name), name, "unsupported");
    }
  }
  const Json* format = fields.Find("response_format");
  if (format != nullptr && (!format->is_object() || format->value("type", Json()) != "text")) {
    Refuse("'response_format' must be {\"type\": \"text\"}", "response_format", "unsupported");
  }
}

void ReadOptions(const Fields& fields, CompletionRequest* request) {
  request->model = fields.Text("model");
  if (request->model.empty()) Refuse("'model' is missing", "model");
  request->max_tokens = fields.Integer("max_tokens", 1, kMaxTokens);
  if (const auto newer = fields.Integer("max_completion_tokens", 1, kMaxTokens)) request->max_tokens = newer;
  request->sampling.temperature = fields.Number("temperature", 1, 0, 2);
  request->sampling.top_p = fields.Number("top_p", 1, 0, 1);
  if (request->sampling.top_p == 0) request->sampling.temperature = 0, request->sampling.top_p = 1;
  request->sampling.top_k = static_cast<int>(fields.Integer("top_k", 0, INT32_MAX).value_or(0));
  const auto seed = fields.Integer("seed", -(int64_t{1} << 53), int64_t{1} << 53);
  request->sampling.seed = seed.has_value() ? static_cast<uint32_t>(*seed) : std::random_device()();
  request->user = fields.Text("user");
  request->echo = fields.Flag("echo");
  if (request->echo && request->chat) Refuse("'echo' is for /v1/completions", "echo");
  request->stream = fields.Flag("stream");
  const Json* options = fields.Find("stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) Refuse("'stream_options' must be an object", "stream_options");
  if (!request->stream) Refuse("'stream_options' needs 'stream': true", "stream_options");
  request->include_usage = Fields(*options).Flag("include_usage");
}

// The parser recurses: a body of brackets alone must not use up the stack.
bool TooDeep(std::string_view body) {
  constexpr int kMaxDepth = 64;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < body.size(); ++i) {
    if (quoted) {
      if (body[i] == '\\')
        ++i;
      else if (body[i] == '"')
        quoted = false;
    } else if (body[i] == '"') {
      quoted = true;
    } else if (body[i] == '[' || body[i] == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (body[i] == ']' || body[i] == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::variant<CompletionRequest, ApiError> ParseCompletionRequest(std::string_view body, bool chat) {
  if (TooDeep(body)) return BadRequest("the body is JSON nested too deeply");
  const auto json = ParseJson(body, "the body");
  if (!json.ok()) return BadRequest(std::string(Message(json.status())), "", "invalid_json");
  if (!json->is_object()) return BadRequest("the body must be a JSON object", "", "invalid_json");
  try {
    const Fields fields(*json);
    CompletionRequest request;
    request.chat = chat;
    ReadOptions(fields, &request);
    RefuseUnsupported(fields);
    if (chat) {
      ReadMessages(fields, &request);
    } else {
      ReadPrompt(fields, &request);
    }
    ReadStops(fields, &request);
    ReadLogprobs(fields, &request);
    return request;
  } catch (const Refused& refused) {
    return refused.error;
  }
}

}  // namespace dilemma
