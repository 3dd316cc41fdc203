#include "gateway/api_error.h"

#include "base/json.h"
#include "base/status.h"

namespace dilemma {
namespace {

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

int HttpCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace

std::string ErrorBody(const ApiError& error) {
  const Json json = {{"error",
                      {{"message", error.message},
                       {"type", error.type},
                       {"param", OrNull(error.param)},
                       {"code", OrNull(error.code)}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

HttpReply ErrorReply(const ApiError& error) {
  HttpReply reply;
  reply.status = error.status;
  reply.body = ErrorBody(error);
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

ApiError BadRequest(std::string message, std::string param, std::string code) {
  return {400, std::move(message), "invalid_request_error", std::move(param), std::move(code)};
}

ApiError FromStatus(const absl::Status& status) {
  ApiError error;
  error.status = HttpCode(status.code());
  error.message = Message(status);
  if (error.status >= 500) error.type = "server_error";
  if (error.status == 429) error.type = "rate_limit_error", error.code = "rate_limit_exceeded";
  if (error.status == 503) error.code = "unavailable";
  return error;
}

}  // namespace dilemma
