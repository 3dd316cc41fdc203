// One open stage of a node: a loaded shard, the thread that runs it, and what flows in and out. The first
// stage schedules requests, the last one samples; a stage alone does both.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "runtime/dilemma.pb.h"
#include "runtime/outlet.h"
#include "runtime/pass_runner.h"
#include "runtime/scheduler.h"
#include "runtime/token_maker.h"

namespace dilemma {

struct OpenStageOptions {
  std::string node;  // name of this server, for errors
  int index = 0, stages = 1;
  StageOptions stage;
  WireType wire = WireType::kF32;
  int64_t prefill_chunk = 64;
  double slowdown = 1;
};

// Takes an event to the coordinator. Called from the stage's threads, one at a time.
using EventSink = std::function<void(v1::StageEvent& event)>;

// Thread-safe. Close before destroying.
class OpenStage {
 public:
  // Has run one made-up row when it returns: the memory that a pass needs is there.
  static absl::StatusOr<std::shared_ptr<OpenStage>> Open(std::unique_ptr<Stage> stage,
                                                         const OpenStageOptions& options, EventSink sink);
  ~OpenStage() { Close(); }

  const Stage& stage() const { return *stage_; }
  bool first() const { return options_.index == 0; }
  bool last() const { return options_.index + 1 == options_.stages; }

  // Joins the stage to the next one and starts it. Once only. `rows_alike`: the least Stage::rows_alike of
  // all stages.
  absl::Status Start(std::unique_ptr<Outlet> next, std::set<int32_t> end_tokens, int64_t rows_alike);

  // From the coordinator, to the first stage.
  absl::Status Submit(const v1::SubmitRequest& request);
  absl::Status Cancel(uint64_t request);

  // From the stage before. A bad message fails the stage, as the ring cannot go on.
  absl::Status Deliver(v1::PassMessage& message);

  // The stage runs no more; the coordinator is told why. The first call counts.
  void Fail(const absl::Status& status);
  // Stops the thread and lets go of the next stage. Blocks until a pass under way has ended.
  void Close();

 private:
  struct Work {
    v1::Batch batch;
    std::vector<int32_t> tokens;
    int64_t received_ns = 0;
  };

  OpenStage(std::unique_ptr<Stage> stage, const OpenStageOptions& options, EventSink sink);
  absl::Status WarmUp();
  absl::Status Accept(v1::PassMessage& message);  // mutex_ is held
  void Loop();
  std::optional<Work> WaitForWork();
  absl::Status Process(Work& work);
  absl::Status Forward(Work& work, std::span<const float> hidden);
  absl::Status SendTokens(Work& work, std::span<const float> logits);
  absl::Status Send(v1::PassMessage& message);
  void Tell(v1::StageEvent& event);

  const OpenStageOptions options_;
  const std::unique_ptr<Stage> stage_;
  PassRunner runner_;
  TokenMaker maker_;
  std::vector<int8_t> want_;
  std::unique_ptr<Outlet> next_;  // set by Start
  std::thread thread_;

  std::mutex sink_mutex_;
  EventSink sink_;    // guarded by sink_mutex_; empty once closed
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  Scheduler scheduler_;     // first stage
  std::deque<Work> inbox_;  // others
  bool started_ = false, closed_ = false, failed_ = false;
};

}  // namespace dilemma
