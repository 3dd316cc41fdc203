// The stages of a plan, open on their nodes and joined to a ring.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/cluster.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"
#include "runtime/dilemma.pb.h"
#include "runtime/stage_line.h"

namespace dilemma {

// Thread-safe.
class Ring {
 public:
  // Called from the ring's threads once it is open.
  struct Listener {
    std::function<void(const v1::TokensEvent& event)> on_tokens;
    std::function<void(const v1::LogitsEvent& event)> on_logits;
    std::function<void(const absl::Status& why)> on_failure;  // once; names the server
  };

  // Blocks until every stage is loaded and connected.
  static absl::StatusOr<std::unique_ptr<Ring>> Open(const Plan& plan, const Cluster& cluster,
                                                    const CoordinatorOptions& options, Listener listener);
  ~Ring() { Close(); }

  void Submit(const v1::SubmitRequest& request);
  void Cancel(uint64_t request);
  void Close();

  int64_t n_vocab() const { return opened_.back().n_vocab(); }
  const std::vector<std::string>& servers() const { return servers_; }
  // What each stage's clock shows beyond the first stage's.
  const std::vector<int64_t>& clock_offset_ns() const { return clock_offset_ns_; }

 private:
  Ring(const CoordinatorOptions& options, Listener listener)
      : options_(options), listener_(std::move(listener)) {}
  absl::Status ConnectLines(const Plan& plan, const Cluster& cluster);
  absl::Status OpenStages(const Plan& plan, const Cluster& cluster);
  absl::Status JoinStages(const Cluster& cluster);
  absl::Status ReadClocks();
  // Until every stage has answered the command under way, the ring failed, the time is over, or Ctrl-C.
  absl::Status WaitForAll(double timeout_s, std::string_view what);
  void OnEvent(size_t stage, v1::StageEvent& event);
  void Fail(const absl::Status& why);

  const CoordinatorOptions options_;
  const Listener listener_;
  const std::string session_ = NewSession();
  std::vector<std::string> servers_;
  std::vector<int64_t> clock_offset_ns_;
  std::vector<std::unique_ptr<StageLine>> lines_;  // by stage

  static std::string NewSession();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<v1::StageOpened> opened_;
  std::vector<bool> answered_;
  bool closing_ = false;
  absl::Status failure_;
};

}  // namespace dilemma
