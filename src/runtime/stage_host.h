// The open stages of a node: opens them within its memory, and finds them for the data that comes in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/credentials.h"
#include "runtime/dilemma.pb.h"
#include "runtime/memory_ledger.h"
#include "runtime/open_stage.h"
#include "runtime/shard_store.h"

namespace dilemma {

struct StageHostOptions {
  std::string node;
  int threads = 1;
  double slowdown = 1;
  std::shared_ptr<const Credentials> credentials;  // for the next stages
};

// Thread-safe. Outlives its sessions.
class StageHost {
 public:
  StageHost(const StageHostOptions& options, ShardStore* store, MemoryLedger* memory)
      : options_(options), store_(store), memory_(memory) {}

  // One stage, from the coordinator's stream; gone with the object.
  class Session {
   public:
    Session(StageHost* host, EventSink sink) : host_(host), sink_(std::move(sink)), claim_(host->memory_) {}
    ~Session();
    // Any command but the first must follow Open. Answers through the sink.
    absl::Status Handle(const v1::StageCommand& command);

   private:
    absl::Status Open(const v1::OpenStage& open);
    absl::Status Connect(const v1::ConnectStage& connect);

    StageHost* const host_;
    const EventSink sink_;
    MemoryClaim claim_;
    std::unique_ptr<ShardInUse> shard_;
    std::string id_;
    uint32_t index_ = 0;
    double peer_timeout_s_ = 0;
    std::shared_ptr<OpenStage> stage_;
  };

  // For the data: the stage of a ring, taken by one sender only. nullptr where there is none.
  absl::StatusOr<std::shared_ptr<OpenStage>> Attach(const std::string& session, uint32_t stage);
  void Detach(const std::string& session, uint32_t stage);

  int open_stages() const;

 private:
  struct Entry {
    std::shared_ptr<OpenStage> stage;
    bool attached = false;
  };
  using Key = std::pair<std::string, uint32_t>;

  const StageHostOptions options_;
  ShardStore* const store_;
  MemoryLedger* const memory_;
  std::mutex loading_;  // one stage at a time, so that its memory can be measured
  mutable std::mutex mutex_;
  std::map<Key, Entry> stages_;  // guarded by mutex_
};

}  // namespace dilemma
