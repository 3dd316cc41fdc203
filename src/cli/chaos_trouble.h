// Trouble on a schedule: servers are killed, stopped, and cut off, and put right again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "simulator/emulator.h"

namespace dilemma::cli {

enum class TroubleKind { kKill, kStop, kCut };
std::string_view Name(TroubleKind kind);
absl::StatusOr<TroubleKind> ParseTroubleKind(std::string_view text);

struct Trouble {
  TroubleKind kind = TroubleKind::kKill;
  std::string server;  // kCut: its link to and from `other`
  std::string other;
  int64_t begin_ns = 0, end_ns = 0;  // end: when it was put right
};

struct ScheduleOptions {
  std::vector<TroubleKind> kinds;  // in turn
  double every_s = 20;
  double down_s = 10;  // until a server is restarted, goes on, or has its link back
  double for_s = 180;
  std::function<std::vector<std::string>()>
      servers;  // that a plan runs on now, in order: one of them is next
  std::function<void(const Trouble&, bool begins)> on_trouble;
};

// Runs the schedule in the calling thread; everything is right again when it returns. Stops early on Ctrl-C.
std::vector<Trouble> RunSchedule(EmulatedCluster& cluster, const ScheduleOptions& options);

}  // namespace dilemma::cli
