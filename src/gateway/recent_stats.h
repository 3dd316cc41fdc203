// The last while of a ring: how fast it is, and what each stage takes for one row, beside what the plan said.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"

namespace dilemma {

// Medians over the last batches, seconds; 0 where there was none.
struct RecentStage {
  double decode_s = 0;                            // computing one row alone: what the plan predicts
  double compute_s = 0, queue_s = 0, wire_s = 0;  // of any batch that decodes
  double busy = 0;                                // share of the last seconds that the stage computed
};

// Thread-safe.
class RecentStats {
 public:
  explicit RecentStats(size_t stages) : single_(stages) {}
  void Restart(size_t stages);  // another ring: forgets what was of the last one
  void Add(const BatchStats& batch);
  double TokensPerSecond() const;
  std::vector<RecentStage> Stages() const;

 private:
  struct Entry {
    double at_s = 0;
    BatchStats batch;
  };
  const Stopwatch since_start_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<Entry> entries_;
  std::vector<std::deque<double>> single_;  // by stage: computing one row alone
};

}  // namespace dilemma
