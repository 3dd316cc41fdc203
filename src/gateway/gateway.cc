#include "gateway/gateway.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "gateway/admission.h"
#include "gateway/api_error.h"
#include "gateway/completions.h"
#include "gateway/http_server.h"
#include "gateway/metrics.h"

namespace dilemma {

std::string_view LivePage();  // web/live.html, compiled in

// Where batches and plans go: nowhere until a gateway listens, which then gets the newest plan.
class Gateway::BatchTap {
 public:
  void Send(const BatchStats& batch) {
    const std::lock_guard lock(mutex_);
    if (metrics_ != nullptr) metrics_->Batch(batch);
  }
  void Use(const Plan& plan, bool replanned) {
    const std::lock_guard lock(mutex_);
    plan_ = {plan, replanned};
    TellPlan();
  }
  void Connect(Metrics* metrics, Completions* completions) {
    const std::lock_guard lock(mutex_);
    metrics_ = metrics;
    completions_ = completions;
    TellPlan();
  }

 private:
  void TellPlan() const {
    if (metrics_ == nullptr || !plan_.has_value()) return;
    metrics_->Use(plan_->first, plan_->second);
    completions_->Use(plan_->first);
  }

  std::mutex mutex_;  // guards what follows
  Metrics* metrics_ = nullptr;
  Completions* completions_ = nullptr;
  std::optional<std::pair<Plan, bool>> plan_;
};

std::shared_ptr<Gateway::BatchTap> Gateway::Tap(CoordinatorOptions* options) {
  auto tap = std::make_shared<BatchTap>();
  options->on_batch = [tap](const BatchStats& batch) { tap->Send(batch); };
  return tap;
}

std::function<void(const Plan&, bool)> Gateway::FollowPlans(std::shared_ptr<BatchTap> tap) {
  return [tap = std::move(tap)](const Plan& plan, bool replanned) { tap->Use(plan, replanned); };
}

namespace {

constexpr std::string_view kChatPath = "/v1/chat/completions", kPlainPath = "/v1/completions",
                           kModelsPath = "/v1/models";
constexpr auto kDrainStep = std::chrono::milliseconds(20);

// Equal in constant time, so that a key cannot be guessed letter by letter.
bool SameSecret(std::string_view a, std::string_view b) {
  const std::string x = Sha256(std::string(a)), y = Sha256(std::string(b));
  unsigned char differ = 0;
  for (size_t i = 0; i < x.size(); ++i) differ |= static_cast<unsigned char>(x[i] ^ y[i]);
  return differ == 0;
}

CompletionsOptions OptionsFor(const GatewayOptions& options, const Plan& plan) {
  return {options.model.empty() ? plan.model_name : options.model, plan.workload.context};
}

class OpenGateway : public Gateway {
 public:
  OpenGateway(const GatewayOptions& options, const Plan& plan, Coordinator* coordinator,
              const Tokenizer* tokenizer, std::shared_ptr<BatchTap> tap)
      : options_(options),
        model_(OptionsFor(options, plan).model),
        tap_(std::move(tap)),
        metrics_(plan),
        admission_({plan.workload.users, options.max_queue}),
        completions_(OptionsFor(options, plan), coordinator, tokenizer, &admission_, &metrics_) {
    completions_.Use(plan);
    if (tap_ != nullptr) tap_->Connect(&metrics_, &completions_);
  }
  ~OpenGateway() override {
    Stop(0);
    if (tap_ != nullptr) tap_->Connect(nullptr, nullptr);
  }

  absl::Status Listen() {
    HttpServerOptions http;
    http.host = options_.host;
    http.port = options_.port;
    http.post_paths = {std::string(kChatPath), std::string(kPlainPath)};
    http.max_body_bytes = options_.max_body_bytes;
    http.max_connections = options_.max_connections;
    http.request_timeout_s = options_.request_timeout_s;
    http.write_timeout_s = options_.write_timeout_s;
    HttpHandlers handlers;
    handlers.before_body = [this](const HttpRequest& request) { return Refuse(request); };
    handlers.handle = [this](const HttpRequest& request) { return Counted(request, Handle(request)); };
    handlers.error_body = [](int status, std::string_view message) {
      return ErrorBody(
          {status, std::string(message), status >= 500 ? "server_error" : "invalid_request_error", "", ""});
    };
    ASSIGN_OR_RETURN(server_, HttpServer::Start(http, std::move(handlers)));
    return absl::OkStatus();
  }

  int port() const override { return server_->port(); }

  void Stop(double grace_s) override {
    if (server_ == nullptr) return;
    stopping_ = true;
    admission_.Close();
    const Stopwatch waited;
    while (admission_.running() > 0 && waited.Seconds() < grace_s) std::this_thread::sleep_for(kDrainStep);
    completions_.Abandon();
    server_->Stop();
  }

 private:
  // Whose request it is: the key where there are some, else the address it comes from.
  std::string ClientOf(const HttpRequest& request) const {
    return options_.api_keys.empty() ? request.client : Sha256(request.authorization).substr(0, 16);
  }

  bool HasKey(const HttpRequest& request) const {
    constexpr std::string_view kBearer = "Bearer ";
    if (options_.api_keys.empty()) return true;
    if (request.authorization.rfind(kBearer, 0) != 0) return false;
    const std::string key = request.authorization.substr(kBearer.size());
    bool good = false;
    for (const std::string& known : options_.api_keys) good = SameSecret(key, known) || good;
    return good;
  }

  // Before any of the body is read.
  std::optional<HttpReply> Refuse(const HttpRequest& request) {
    auto error = Check(request);
    if (!error.has_value()) return std::nullopt;
    return Counted(request, ErrorReply(*error));
  }

  std::optional<ApiError> Check(const HttpRequest& request) const {
    const bool open = request.path == "/" || request.path == "/health";
    if (!open && !HasKey(request)) {
      ApiError error =
          BadRequest(request.authorization.empty() ? "no API key: send it as 'Authorization: Bearer KEY'"
                                                   : "the API key is not one of this server's",
                     "", "invalid_api_key");
      error.status = 401;
      return error;
    }
    const bool post = request.path == kChatPath || request.path == kPlainPath;
    if (!post && !IsGetPath(request.path)) {
      ApiError error =
          BadRequest(fmt::format("there is no '{}' here", request.path.substr(0, 100)), "", "not_found");
      error.status = 404;
      return error;
    }
    if (request.method != (post ? "POST" : "GET") && !(request.method == "HEAD" && !post)) {
      ApiError error = BadRequest(fmt::format("'{}' takes {}", request.path, post ? "POST" : "GET"), "",
                                  "method_not_allowed");
      error.status = 405;
      return error;
    }
    if (post && request.content_type.rfind("application/json", 0) != 0) {
      ApiError error = BadRequest("the body must be JSON, with 'Content-Type: application/json'");
      error.status = 415;
      return error;
    }
    if (post && !request.content_encoding.empty() && request.content_encoding != "identity") {
      ApiError error = BadRequest("the body must not be compressed");  // a small one could be endless
      error.status = 415;
      return error;
    }
    return std::nullopt;
  }

  static bool IsGetPath(const std::string& path) {
    return path == "/" || path == "/health" || path == "/metrics" || path == "/status" ||
           path == kModelsPath || path.rfind("/v1/models/", 0) == 0;
  }

  HttpReply Counted(const HttpRequest& request, HttpReply reply) {
    const bool known = reply.status != 404 && request.path.rfind("/v1/models/", 0) != 0;
    metrics_.Request(known ? request.path : "other", reply.status);
    return reply;
  }

  HttpReply Handle(const HttpRequest& request) {
    if (request.path == kChatPath || request.path == kPlainPath) {
      return completions_.Handle(request, request.path == kChatPath, ClientOf(request));
    }
    HttpReply reply;
    if (request.path == "/") {
      reply.type = "text/html; charset=utf-8";
      reply.headers.emplace_back("Content-Security-Policy",
                                 "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                 "connect-src 'self'; base-uri 'none'; form-action 'none'");
      reply.body = LivePage();
    } else if (request.path == "/health") {
      return Health();
    } else if (request.path == "/metrics") {
      reply.type = "text/plain; version=0.0.4; charset=utf-8";
      reply.body = metrics_.Text(admission_.running(), admission_.waiting());
    } else if (request.path == "/status") {
      reply.body = metrics_.Live(admission_.running(), admission_.waiting()).dump();
    } else {
      return Models(request.path);
    }
    return reply;
  }

  HttpReply Health() const {
    const absl::Status health = completions_.Health();
    HttpReply reply;
    reply.status = health.ok() && !stopping_ ? 200 : 503;
    Json json = {{"status", reply.status == 200 ? "ok" : (stopping_ ? "stopping" : "failing")},
                 {"running", admission_.running()},
                 {"waiting", admission_.waiting()}};
    if (!health.ok()) json["error"] = std::string(Message(health));
    reply.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return reply;
  }

  HttpReply Models(const std::string& path) const {
    const Json model = {{"id", model_}, {"object", "model"}, {"created", started_}, {"owned_by", "dilemma"}};
    HttpReply reply;
    if (path == kModelsPath) {
      reply.body = Json{{"object", "list"}, {"data", Json::array({model})}}.dump();
    } else if (path == std::string(kModelsPath) + "/" + model_) {
      reply.body = model.dump();
    } else {
      ApiError error =
          BadRequest(fmt::format("this server has the model '{}' only", model_), "model", "model_not_found");
      error.status = 404;
      return ErrorReply(error);
    }
    return reply;
  }

  const GatewayOptions options_;
  const std::string model_;
  const int64_t started_ =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  const std::shared_ptr<BatchTap> tap_;
  Metrics metrics_;
  Admission admission_;
  Completions completions_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<HttpServer> server_;  // last: its threads use what is above
};

}  // namespace

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const GatewayOptions& options, const Plan& plan,
                                                        Coordinator* coordinator, const Tokenizer* tokenizer,
                                                        std::shared_ptr<BatchTap> tap) {
  auto gateway = std::make_unique<OpenGateway>(options, plan, coordinator, tokenizer, std::move(tap));
  RETURN_IF_ERROR(gateway->Listen());
  return gateway;
}

}  // namespace dilemma
