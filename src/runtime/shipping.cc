#include "runtime/shipping.h"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/interrupt.h"
#include "base/status.h"
#include "runtime/client.h"

namespace dilemma {

std::filesystem::path ShardPath(const std::filesystem::path& shards, const PlanStage& stage) {
  return shards / (stage.shard + ".gguf");
}

namespace {

// To one server, one shard after the other.
absl::Status ShipTo(const std::string& server, const std::string& address,
                    const std::vector<const PlanStage*>& stages, const std::filesystem::path& shards,
                    const CoordinatorOptions& options, const ShipProgress& progress) {
  auto client = NodeClient::Connect(address, options.connect_timeout_s, {options.credentials, server});
  absl::Status status = client.status();
  for (size_t i = 0; i < stages.size() && status.ok(); ++i) {
    status = (*client)->SendShard(ShardPath(shards, *stages[i]), stages[i]->shard, progress).status();
  }
  return Annotate(status, fmt::format("server '{}'", server));
}

}  // namespace

absl::Status ShipShards(const Plan& plan, const Cluster& cluster, const std::filesystem::path& shards,
                        const CoordinatorOptions& options) {
  std::map<std::string, std::vector<const PlanStage*>> by_server;
  for (const PlanStage& stage : plan.stages) by_server[stage.server].push_back(&stage);
  std::mutex mutex;
  std::atomic<bool> stop = false;
  absl::Status result;
  std::vector<std::thread> threads;
  for (const auto& [server, stages] : by_server) {
    threads.emplace_back([&, &server = server, &stages = stages] {
      const ShipProgress progress = [&](int64_t done, int64_t total) {
        const std::lock_guard lock(mutex);
        if (options.on_ship && !options.on_ship(server, done, total)) stop = true;
        return !stop && !Interrupted();
      };
      const absl::Status status =
          ShipTo(server, cluster.AddressFrom(kUser, server), stages, shards, options, progress);
      const std::lock_guard lock(mutex);
      if (!status.ok() && result.ok()) result = status;
      if (!status.ok()) stop = true;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace dilemma
