#include "cli/chaos_trouble.h"

#include <chrono>

#include "base/interrupt.h"
#include "base/status.h"
#include "runtime/machine.h"

namespace dilemma::cli {
namespace {

void SleepUntil(int64_t ns) {
  while (MonotonicNanos() < ns && !Interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

absl::Status Begin(EmulatedCluster& cluster, const Trouble& trouble) {
  switch (trouble.kind) {
    case TroubleKind::kKill:
      return cluster.Kill(trouble.server);
    case TroubleKind::kStop:
      return cluster.Pause(trouble.server);
    case TroubleKind::kCut:
      cluster.Link(trouble.server, trouble.other)->Cut();
      cluster.Link(trouble.other, trouble.server)->Cut();
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status End(EmulatedCluster& cluster, const Trouble& trouble) {
  switch (trouble.kind) {
    case TroubleKind::kKill:
      return cluster.Restart(trouble.server);
    case TroubleKind::kStop:
      return cluster.Resume(trouble.server);
    case TroubleKind::kCut:
      cluster.Link(trouble.server, trouble.other)->Restore();
      cluster.Link(trouble.other, trouble.server)->Restore();
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view Name(TroubleKind kind) {
  switch (kind) {
    case TroubleKind::kKill:
      return "kill";
    case TroubleKind::kStop:
      return "stop";
    case TroubleKind::kCut:
      return "cut";
  }
  return "";
}

absl::StatusOr<TroubleKind> ParseTroubleKind(std::string_view text) {
  for (const TroubleKind kind : {TroubleKind::kKill, TroubleKind::kStop, TroubleKind::kCut}) {
    if (Name(kind) == text) return kind;
  }
  return InvalidArgument("'{}' is no kind of trouble: kill, stop or cut", text);
}

std::vector<Trouble> RunSchedule(EmulatedCluster& cluster, const ScheduleOptions& options) {
  std::vector<Trouble> done;
  const int64_t start_ns = MonotonicNanos();
  const auto at = [&](double seconds) { return start_ns + static_cast<int64_t>(seconds * 1e9); };
  for (size_t i = 0; static_cast<double>(i + 1) * options.every_s <= options.for_s; ++i) {
    const double begin_s = (static_cast<double>(i) + 0.5) * options.every_s;
    SleepUntil(at(begin_s));
    if (Interrupted()) break;
    const std::vector<std::string> servers = options.servers();
    if (servers.empty()) continue;  // nothing runs: nothing to hurt
    Trouble trouble;
    trouble.kind = options.kinds[i % options.kinds.size()];
    trouble.server = servers[i % servers.size()];
    if (trouble.kind == TroubleKind::kCut) {
      trouble.other = servers.size() > 1 ? servers[(i + 1) % servers.size()] : std::string(kUser);
    }
    trouble.begin_ns = MonotonicNanos();
    if (!Begin(cluster, trouble).ok()) continue;  // it was down
    if (options.on_trouble) options.on_trouble(trouble, true);
    SleepUntil(at(begin_s + options.down_s));
    (void)End(cluster, trouble);  // one that does not come back shows in the rest of the run
    trouble.end_ns = MonotonicNanos();
    if (options.on_trouble) options.on_trouble(trouble, false);
    done.push_back(trouble);
  }
  SleepUntil(at(options.for_s));
  return done;
}

}  // namespace dilemma::cli
