// Errors as OpenAI's API tells them.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gateway/http_server.h"

namespace dilemma {

struct ApiError {
  int status = 500;     // of HTTP
  std::string message;  // what was wrong and what to do
  std::string type = "invalid_request_error";
  std::string param, code;  // empty: null
};

// The body: {"error": {"message", "type", "param", "code"}}.
std::string ErrorBody(const ApiError& error);
HttpReply ErrorReply(const ApiError& error);

ApiError BadRequest(std::string message, std::string param = "", std::string code = "");
// What the runtime said, with the code that HTTP has for it.
ApiError FromStatus(const absl::Status& status);

}  // namespace dilemma
