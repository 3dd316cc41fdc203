#include "runtime/node.h"

#include <chrono>
#include <cmath>
#include <mutex>

#include "base/log.h"
#include "base/status.h"
#include "runtime/grpc_credentials.h"
#include "runtime/machine.h"
#include "runtime/node_service.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

absl::Status Check(const NodeOptions& options) {
  if (options.name.empty()) return InvalidArgument("the node's name is empty");
  if (options.listen.rfind(':') == std::string::npos) {
    return InvalidArgument("listen address '{}': it must be HOST:PORT", options.listen);
  }
  if (options.memory_bytes < 0 || options.disk_bytes < 0) return InvalidArgument("a limit below zero");
  if (options.threads < 0 || options.threads > 1024) {
    return InvalidArgument("threads is {}: it must be 1 to 1024, or 0 for all cores", options.threads);
  }
  if (!std::isfinite(options.slowdown) || options.slowdown < 1) {
    return InvalidArgument("slowdown is {}: it must be 1 or more", options.slowdown);
  }
  if (options.credentials == nullptr) {
    if (IsLoopback(options.listen)) return absl::OkStatus();
    return FailedPrecondition(
        "a node without certificates listens on this machine's own addresses only (127.0.0.1), not on {}: "
        "`dilemma certs` makes certificates",
        options.listen);
  }
  const Identity& who = options.credentials->identity;
  if (who.name != options.name) {
    return FailedPrecondition("the certificate '{}' is for '{}', and this node is called '{}'",
                              who.cert().string(), who.name, options.name);
  }
  if (who.role == Role::kCoordinator) {
    return FailedPrecondition("the certificate '{}' was made for a coordinator, not for a server",
                              who.cert().string());
  }
  return absl::OkStatus();
}

class GrpcNode : public Node {
 public:
  GrpcNode(const NodeOptions& options, std::unique_ptr<ShardStore> store)
      : options_(options), service_(options, std::move(store)) {}
  ~GrpcNode() override { Stop(); }

  absl::Status Listen() {
    grpc::ServerBuilder builder;
    SetServerArguments(&builder);
    builder.AddListeningPort(options_.listen, ServerCredentials(options_.credentials.get()), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      return FailedPrecondition(
          "cannot listen on {}: the port is in use or the address is not this machine's", options_.listen);
    }
    service_.MeasureBase();
    return absl::OkStatus();
  }

  int port() const override { return port_; }
  std::string address() const override {
    return fmt::format("{}:{}", options_.listen.substr(0, options_.listen.rfind(':')), port_);
  }
  void Stop() override {
    const std::lock_guard lock(mutex_);
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());  // streams are cancelled at once
    server_->Wait();
    server_.reset();
  }

 private:
  const NodeOptions options_;
  NodeService service_;
  int port_ = 0;
  std::mutex mutex_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Node>> Node::Start(const NodeOptions& options) {
  RETURN_IF_ERROR(Check(options));
  RouteGrpcLog();
  ReturnFreedMemory();
  NodeOptions filled = options;
  if (filled.threads == 0) filled.threads = AvailableCores();
  ASSIGN_OR_RETURN(auto store, ShardStore::Open(options.store, options.disk_bytes));
  auto node = std::make_unique<GrpcNode>(filled, std::move(store));
  RETURN_IF_ERROR(node->Listen());
  return node;
}

}  // namespace dilemma
