#include "gateway/recent_stats.h"

#include <algorithm>

#include "base/statistics.h"

namespace dilemma {
namespace {

constexpr double kWindowS = 5;
constexpr size_t kSingles = 128;  // passes of one row that are kept: they may be long ago
constexpr size_t kMaxEntries = 20'000;

}  // namespace

void RecentStats::Add(const BatchStats& batch) {
  const std::lock_guard lock(mutex_);
  const double now_s = since_start_.Seconds();
  entries_.push_back({now_s, batch});
  while (entries_.front().at_s < now_s - kWindowS || entries_.size() > kMaxEntries) entries_.pop_front();
  if (batch.decode_rows != 1 || batch.prompt_rows != 0) return;
  for (size_t k = 0; k < std::min(single_.size(), batch.stages.size()); ++k) {
    single_[k].push_back(batch.stages[k].compute_s);
    if (single_[k].size() > kSingles) single_[k].pop_front();
  }
}

void RecentStats::Restart(size_t stages) {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  single_.assign(stages, {});
}

double RecentStats::TokensPerSecond() const {
  const std::lock_guard lock(mutex_);
  const double now_s = since_start_.Seconds();
  int64_t tokens = 0;
  for (const Entry& entry : entries_) {
    if (entry.at_s >= now_s - kWindowS) tokens += entry.batch.tokens;
  }
  return static_cast<double>(tokens) / std::max(1.0, std::min(kWindowS, now_s));
}

std::vector<RecentStage> RecentStats::Stages() const {
  const std::lock_guard lock(mutex_);
  const double now_s = since_start_.Seconds();
  std::vector<RecentStage> stages(single_.size());
  for (size_t k = 0; k < stages.size(); ++k) {
    std::vector<double> compute, queue, wire;
    double busy_s = 0;
    for (const Entry& entry : entries_) {
      if (entry.at_s < now_s - kWindowS || k >= entry.batch.stages.size()) continue;
      const BatchStats::Stage& stage = entry.batch.stages[k];
      busy_s += stage.compute_s;
      if (entry.batch.decode_rows == 0) continue;
      compute.push_back(stage.compute_s);
      queue.push_back(stage.queue_s);
      if (stage.wire_s > 0) wire.push_back(stage.wire_s);
    }
    stages[k] = {Median({single_[k].begin(), single_[k].end()}), Median(compute), Median(queue), Median(wire),
                 std::min(1.0, busy_s / kWindowS)};
  }
  return stages;
}

}  // namespace dilemma
