#include "gateway/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/status.h"
#include "gateway/guarded_stream.h"

namespace dilemma {
namespace {

constexpr int64_t kHeaderBytes = 32 << 10;  // of a whole request, beside its body
constexpr int kRequestsOfConnection = 1000;
constexpr int kBacklog = 128;
constexpr double kLingerS = 1;  // for a refused client to take the answer while it still sends
constexpr int64_t kLingerBytes = 4 << 20;
constexpr std::string_view kTooSlow =  // before there was a request that the library could answer
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

thread_local GuardedStream* current_stream = nullptr;  // of the request that this thread handles
thread_local bool refuse_connection = false;

// One thread a connection, up to a limit; what comes beyond it is refused by the accepting thread.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(int limit) : limit_(limit) {}

  void enqueue(std::function<void()> serve) override {
    {
      const std::lock_guard lock(mutex_);
      refuse_connection = running_ >= limit_;
      if (!refuse_connection) ++running_;
    }
    if (refuse_connection) {
      serve();
      refuse_connection = false;
      return;
    }
    std::thread([this, serve = std::move(serve)] {
      serve();
      const std::lock_guard lock(mutex_);
      --running_;
      ended_.notify_all();
    }).detach();
  }

  void shutdown() override {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  const int limit_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;
};

// A reply may be on its way to a client that still sends: closing at once would take it away.
void CloseGently(int socket) {
  ::shutdown(socket, SHUT_WR);
  const timeval timeout = {static_cast<time_t>(kLingerS), 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(kLingerS);
  std::array<char, 16384> dropped;
  int64_t total = 0;
  while (total < kLingerBytes && std::chrono::steady_clock::now() < deadline) {
    const ssize_t got = recv(socket, dropped.data(), dropped.size(), 0);
    if (got <= 0) break;
    total += got;
  }
  ::close(socket);
}

class LimitedServer : public httplib::Server {
 public:
  explicit LimitedServer(const HttpServerOptions& options) : options_(options) {
    limits_ = {options.max_body_bytes + kHeaderBytes, options.request_timeout_s, options.write_timeout_s};
    new_task_queue = [this] { return new ConnectionThreads(options_.max_connections); };
    set_payload_max_length(static_cast<size_t>(options.max_body_bytes));
    set_tcp_nodelay(true);
    set_socket_options([](socket_t socket) {  // not SO_REUSEPORT: a taken port is an error
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
  }
  // Beyond the library's own backlog of 5.
  void LengthenBacklog() { ::listen(svr_sock_, kBacklog); }

 private:
  bool process_and_close_socket(socket_t socket) override {
    if (refuse_connection) {
      send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(socket);
      return false;
    }
    GuardedStream stream(socket, limits_);
    current_stream = &stream;
    const auto go_on = [this] { return svr_sock_ != INVALID_SOCKET; };
    for (int count = 1; count <= kRequestsOfConnection; ++count) {
      if (!stream.BeginRequest(options_.idle_timeout_s, go_on)) break;
      bool closed = false;
      const bool good =
          process_request(stream, count == kRequestsOfConnection, closed, [](httplib::Request& request) {
            request.ranges.clear();
            request.headers.erase("Accept-Encoding");  // streams are not to wait for a compressor
          });
      if (stream.too_slow() && !stream.answered()) stream.write(kTooSlow.data(), kTooSlow.size());
      if (!good || closed || end_connection_ || stream.too_big() || stream.too_slow() || !go_on()) break;
    }
    current_stream = nullptr;
    end_connection_ = false;
    CloseGently(socket);
    return true;
  }

  const HttpServerOptions options_;
  GuardLimits limits_;

 public:
  static thread_local bool end_connection_;  // its body was not read
};

thread_local bool LimitedServer::end_connection_ = false;

HttpRequest FromLibrary(const httplib::Request& from) {
  HttpRequest request;
  request.method = from.method;
  request.path = from.path;
  request.body = from.body;
  request.content_type = from.get_header_value("Content-Type");
  request.content_encoding = from.get_header_value("Content-Encoding");
  request.authorization = from.get_header_value("Authorization");
  request.client = from.remote_addr;
  request.alive = [stream = current_stream] { return stream == nullptr || stream->Alive(); };
  return request;
}

void ToLibrary(HttpReply reply, httplib::Response* to) {
  to->status = reply.status;
  for (const auto& [name, value] : reply.headers) to->set_header(name, value);
  if (!reply.stream) {
    to->set_content(reply.body, reply.type);
    return;
  }
  to->set_header("Cache-Control", "no-cache");
  to->set_chunked_content_provider(
      reply.type, [stream = std::move(reply.stream)](size_t, httplib::DataSink& sink) {
        stream([&](std::string_view piece) {
          return current_stream->Alive() && sink.write(piece.data(), piece.size());
        });
        sink.done();
        return true;
      });
}

class HttplibServer : public HttpServer {
 public:
  HttplibServer(const HttpServerOptions& options, HttpHandlers handlers)
      : options_(options), handlers_(std::move(handlers)), server_(options) {}
  ~HttplibServer() override { Stop(); }

  absl::Status Listen() {
    AddHandlers();
    port_ = options_.port;
    if (options_.port == 0) {
      port_ = server_.bind_to_any_port(options_.host);
    } else if (!server_.bind_to_port(options_.host, options_.port)) {
      port_ = -1;
    }
    if (port_ <= 0) {
      return FailedPrecondition(
          "cannot listen at {}:{}: the address is not this machine's, or the port is taken", options_.host,
          options_.port);
    }
    server_.LengthenBacklog();
    thread_ = std::thread([this] {
      if (!server_.listen_after_bind()) spdlog::error("the HTTP server stopped accepting connections");
      ended_ = true;
    });
    return absl::OkStatus();
  }

  int port() const override { return port_; }

  void Stop() override {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) return;
    while (!server_.is_running() && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    server_.stop();
    thread_.join();
  }

 private:
  void AddHandlers() {
    using Response = httplib::Server::HandlerResponse;
    server_.set_pre_routing_handler([this](const httplib::Request& from, httplib::Response& to) {
      HttpRequest request = FromLibrary(from);
      if (auto refused = handlers_.before_body(request)) {
        LimitedServer::end_connection_ = true;
        ToLibrary(*std::move(refused), &to);
        return Response::Handled;
      }
      if (from.method == "POST") return Response::Unhandled;
      // A body that nobody reads must not be taken for the next request.
      if (from.has_header("Content-Length") || from.has_header("Transfer-Encoding")) {
        LimitedServer::end_connection_ = true;
      }
      ToLibrary(handlers_.handle(request), &to);
      return Response::Handled;
    });
    for (const std::string& path : options_.post_paths) {
      server_.Post(path, [this](const httplib::Request& from, httplib::Response& to) {
        ToLibrary(handlers_.handle(FromLibrary(from)), &to);
      });
    }
    const httplib::Server::HandlerWithResponse on_error = [this](const httplib::Request&,
                                                                 httplib::Response& to) {
      if (!to.body.empty()) return Response::Unhandled;  // the handler's own error
      std::string_view message = "the request is not HTTP, or is not complete";
      if (to.status == 413 || current_stream->too_big()) {
        to.status = 413;
        message = "the request is too big";
      } else if (current_stream->too_slow()) {
        to.status = 408;
        message = "the request did not come in in time";
      } else if (to.status == 414) {
        message = "the address is too long";
      }
      to.set_content(handlers_.error_body(to.status, message), "application/json");
      LimitedServer::end_connection_ = true;
      return Response::Handled;
    };
    server_.set_error_handler(on_error);
    server_.set_exception_handler([this](const httplib::Request&, httplib::Response& to, std::exception_ptr) {
      to.status = 500;
      to.set_content(handlers_.error_body(500, "an internal error"), "application/json");
    });
  }

  const HttpServerOptions options_;
  const HttpHandlers handlers_;
  LimitedServer server_;
  int port_ = -1;
  std::atomic<bool> ended_ = false;  // thread_ is through
  std::mutex mutex_;                 // of Stop
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              HttpHandlers handlers) {
  auto server = std::make_unique<HttplibServer>(options, std::move(handlers));
  RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace dilemma
