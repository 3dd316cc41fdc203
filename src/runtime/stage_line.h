// The coordinator's line to one stage: a stream that opens it, steers it, and closes it by ending.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/credentials.h"
#include "runtime/dilemma.grpc.pb.h"

namespace dilemma {

struct LineOptions {
  std::string server;  // for errors
  std::string address;
  std::shared_ptr<const Credentials> credentials;
  double connect_timeout_s = 5;
  double peer_timeout_s = 5;
};

struct NodeClock {
  std::string boot_id;
  int64_t offset_ns = 0;  // what the node's clock shows beyond ours; 0 where they are one clock
};

// Send may be called by any thread.
class StageLine {
 public:
  // Called from the line's thread: every event, and once the end of the stream (never after Close).
  struct Listener {
    std::function<void(v1::StageEvent& event)> on_event;
    std::function<void(const absl::Status& why)> on_end;
  };

  static absl::StatusOr<std::unique_ptr<StageLine>> Connect(const LineOptions& options, Listener listener);
  ~StageLine() { Close(); }

  absl::StatusOr<NodeClock> ReadClock();
  // A line that is broken takes anything: on_end tells.
  void Send(const v1::StageCommand& command);
  // Ends the stage. Waits until the node has let go of it, or `patience_s`.
  void Close(double patience_s = 2);

  const std::string& server() const { return options_.server; }

 private:
  StageLine(const LineOptions& options, Listener listener)
      : options_(options), listener_(std::move(listener)) {}
  void Listen();

  const LineOptions options_;
  const Listener listener_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Node::Stub> node_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::StageCommand, v1::StageEvent>> stream_;
  std::thread thread_;
  std::mutex mutex_;  // guards sending and what follows
  std::condition_variable changed_;
  bool closing_ = false, ended_ = false;
};

}  // namespace dilemma
