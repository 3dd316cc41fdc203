// Plans for the loss of each server, made ahead and their shards sent ahead, so that a loss costs no
// planning, no quantizing and no shipping.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "plan/plan.h"
#include "recovery/replanner.h"
#include "runtime/coordinator.h"

namespace dilemma {

// Works in a thread of its own, one server after the other. Thread-safe.
class StandBy {
 public:
  // `replanner` is not owned and outlives the object. `on_ready` is called from the thread, for each server
  // whose loss is prepared for, or with why it is not.
  StandBy(const Plan& plan, const Cluster& cluster, std::filesystem::path shards,
          const CoordinatorOptions& options, const Replanner* replanner,
          std::function<void(const std::string& server, const absl::StatusOr<Plan>& plan)> on_ready);
  ~StandBy() { Stop(); }

  // A prepared plan that spares the outage; the quickest of them.
  std::optional<Plan> For(const Outage& outage) const;
  // Nothing is sent while a ring is being repaired: the links are needed.
  void Hold(bool hold) { held_ = hold; }
  // False where the time passed first.
  bool WaitUntilDone(double timeout_s) const;
  void Stop();

 private:
  void Run();
  absl::StatusOr<Plan> Prepare(const std::string& lost);
  bool Stopped() const;  // waits while held

  const Plan plan_;
  const Cluster cluster_;
  const std::filesystem::path shards_;
  const CoordinatorOptions options_;
  const Replanner* const replanner_;
  const std::function<void(const std::string&, const absl::StatusOr<Plan>&)> on_ready_;
  std::atomic<bool> stop_ = false, held_ = false;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable changed_;
  std::map<std::string, Plan> plans_;  // by the server that is lost
  bool done_ = false;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace dilemma
