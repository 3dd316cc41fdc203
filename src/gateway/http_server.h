// An HTTP/1.1 server for requests from anywhere: bounded in connections, bytes and time. The HTTP library
// stays inside http_server.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

struct HttpRequest {
  std::string method, path, body;
  std::string content_type, content_encoding, authorization;  // headers; empty where absent
  std::string client;                                         // address it comes from
  std::function<bool()> alive;  // false once the client has left; from the handler's thread
};

// Takes pieces of a body as they come to be. False: the client has left or does not read.
using BodyWriter = std::function<bool(std::string_view piece)>;

struct HttpReply {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::function<void(const BodyWriter& write)> stream;  // set: writes the body, sent in chunks
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;                         // 0: a free one
  std::vector<std::string> post_paths;  // that take a body
  int64_t max_body_bytes = 1 << 20;     // as sent; more: 413
  int max_connections = 256;            // more: 503 at once
  double request_timeout_s = 20;        // for a whole request to come in; more: 408
  double write_timeout_s = 10;          // for the client to take what is ready
  double idle_timeout_s = 15;           // of a kept connection between requests
};

struct HttpHandlers {
  // Before the body is read: a reply ends the request there, and the connection.
  std::function<std::optional<HttpReply>(const HttpRequest&)> before_body;
  std::function<HttpReply(const HttpRequest&)> handle;
  // The body of an error that the server found itself (bad HTTP, too big, too slow).
  std::function<std::string(int status, std::string_view message)> error_body;
};

// Handlers are called from one thread a connection. Thread-safe.
class HttpServer {
 public:
  // kFailedPrecondition where the address cannot be listened at.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           HttpHandlers handlers);
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
  // Takes no new connection and waits for the handlers under way. May be called more than once.
  virtual void Stop() = 0;
};

}  // namespace dilemma
