// What the gateway measures: counters and histograms for Prometheus, and the last minute for the live page.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/json.h"
#include "gateway/completion_reply.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"

namespace dilemma {

class RecentStats;

// Thread-safe. None of its calls blocks for long.
class Metrics {
 public:
  explicit Metrics(const Plan& plan);
  ~Metrics();

  // A ring was opened on this plan: predictions and the live page are its own from now on.
  void Use(const Plan& plan, bool replanned);
  void Batch(const BatchStats& batch);  // CoordinatorOptions::on_batch
  void Request(std::string_view path, int status);
  void FirstToken(double seconds);  // since the request came
  void Finished(const Usage& usage, double seconds);
  void Cancelled();

  // Prometheus' text format. `running` and `waiting`: requests now.
  std::string Text(int running, int waiting);
  // {"tokens_per_s", "stages": [{"server", "units", "types", "predicted_ms", "measured_ms", ...}], ...}
  Json Live(int running, int waiting) const;

 private:
  class Families;
  mutable std::mutex mutex_;  // guards what follows, and gauges that come and go with a plan
  Plan plan_;
  bool replanned_ = false;
  const std::unique_ptr<Families> families_;
  const std::unique_ptr<RecentStats> recent_;
};

}  // namespace dilemma
