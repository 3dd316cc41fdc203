#include "recovery/stand_by.h"

#include <chrono>

#include "base/interrupt.h"
#include "base/status.h"
#include "runtime/shipping.h"

namespace dilemma {

StandBy::StandBy(const Plan& plan, const Cluster& cluster, std::filesystem::path shards,
                 const CoordinatorOptions& options, const Replanner* replanner,
                 std::function<void(const std::string&, const absl::StatusOr<Plan>&)> on_ready)
    : plan_(plan),
      cluster_(cluster),
      shards_(std::move(shards)),
      options_(options),
      replanner_(replanner),
      on_ready_(std::move(on_ready)),
      thread_([this] { Run(); }) {}

bool StandBy::Stopped() const {
  while (held_ && !stop_ && !Interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return stop_ || Interrupted();
}

absl::StatusOr<Plan> StandBy::Prepare(const std::string& lost) {
  Outage outage;
  outage.servers.insert(lost);
  ASSIGN_OR_RETURN(Plan plan, replanner_->PlanWithout(outage, [this] { return Stopped(); }));
  RETURN_IF_ERROR(replanner_->WriteShards(plan, shards_, [this](double, size_t) { return !Stopped(); }));
  CoordinatorOptions ship = options_;
  ship.on_ship = [this](std::string_view, int64_t, int64_t) { return !Stopped(); };
  RETURN_IF_ERROR(ShipShards(plan, cluster_, shards_, ship));
  return plan;
}

void StandBy::Run() {
  for (const std::string& server : ServersOf(plan_)) {
    if (Stopped()) break;
    absl::StatusOr<Plan> plan = Prepare(server);
    if (Stopped()) break;
    if (plan.ok()) {
      const std::lock_guard lock(mutex_);
      plans_.insert_or_assign(server, *plan);
    }
    if (on_ready_) on_ready_(server, plan);
  }
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
}

std::optional<Plan> StandBy::For(const Outage& outage) const {
  const std::lock_guard lock(mutex_);
  const Plan* best = nullptr;
  for (const auto& [lost, plan] : plans_) {
    if (!outage.Spares(plan)) continue;
    if (best == nullptr || plan.predicted.request_s < best->predicted.request_s) best = &plan;
  }
  return best == nullptr ? std::nullopt : std::optional<Plan>(*best);
}

bool StandBy::WaitUntilDone(double timeout_s) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_s);
  std::unique_lock lock(mutex_);
  while (!done_ && !Interrupted() && std::chrono::steady_clock::now() < deadline)
    changed_.wait_for(lock, std::chrono::milliseconds(50));
  return done_;
}

void StandBy::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

}  // namespace dilemma
