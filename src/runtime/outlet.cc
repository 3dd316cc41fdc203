#include "runtime/outlet.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/status.h"
#include "runtime/dilemma.grpc.pb.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

class PeerOutlet : public Outlet {
 public:
  PeerOutlet(const PeerOptions& options, std::function<void(absl::Status)> on_loss)
      : options_(options), on_loss_(std::move(on_loss)) {}

  ~PeerOutlet() override {
    Cancel();
    if (reader_.joinable()) reader_.join();
  }

  absl::Status Connect() {
    auto channel = Dial({options_.server, options_.address, options_.credentials}, options_.timeout_s,
                        options_.timeout_s);
    if (!channel.ok()) return Annotate(channel.status(), fmt::format("server '{}'", options_.server));
    channel_ = *std::move(channel);
    stub_ = v1::Node::NewStub(channel_);
    stream_ = stub_->Pass(&context_);
    reader_ = std::thread([this] { WaitForLoss(); });
    v1::PassMessage hello;
    hello.mutable_hello()->set_session(options_.session);
    hello.mutable_hello()->set_stage(options_.stage);
    stream_->Write(hello);
    std::unique_lock lock(mutex_);
    const auto timeout = std::chrono::duration<double>(options_.timeout_s);
    if (!changed_.wait_for(lock, timeout, [this] { return taken_ || lost_; })) {
      return Unavailable("server '{}' ({}) does not take the stream of stage {}", options_.server,
                         options_.address, options_.stage);
    }
    return taken_ ? absl::OkStatus() : loss_;
  }

  absl::Status Send(v1::PassMessage& message) override {
    if (stream_->Write(message)) return absl::OkStatus();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return lost_; });
    return loss_;
  }

  void Cancel() override {
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
    }
    context_.TryCancel();
  }

 private:
  absl::Status End() {
    const grpc::Status status = stream_->Finish();
    const std::string who = fmt::format("server '{}' ({})", options_.server, options_.address);
    if (status.ok()) return Unavailable("{}: it closed the stream of stage {}", who, options_.stage);
    return FromGrpc(status, who);
  }

  // The reader is blocked here for as long as the stream lives; that is also what answers pings.
  void WaitForLoss() {
    v1::PassReply reply;
    while (stream_->Read(&reply)) {
      const std::lock_guard lock(mutex_);
      taken_ = true;
      changed_.notify_all();
    }
    const absl::Status loss = End();
    bool tell = false;
    {
      const std::lock_guard lock(mutex_);
      loss_ = loss;
      lost_ = true;
      tell = taken_ && !cancelled_;
      changed_.notify_all();
    }
    if (tell) on_loss_(loss);
  }

  const PeerOptions options_;
  const std::function<void(absl::Status)> on_loss_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Node::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PassMessage, v1::PassReply>> stream_;
  std::thread reader_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool taken_ = false, lost_ = false, cancelled_ = false;
  absl::Status loss_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Outlet>> ConnectPeer(const PeerOptions& options,
                                                    std::function<void(absl::Status)> on_loss) {
  auto peer = std::make_unique<PeerOutlet>(options, std::move(on_loss));
  RETURN_IF_ERROR(peer->Connect());
  return peer;
}

}  // namespace dilemma
