#include "recovery/survivors.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/status.h"
#include "runtime/client.h"
#include "runtime/credentials.h"

namespace dilemma {
namespace {

using Hop = std::pair<std::string, std::string>;

// From each stage to the next, and from the last to the first; none within a server.
std::set<Hop> HopsOf(const Plan& plan) {
  std::set<Hop> hops;
  for (size_t k = 0; k < plan.stages.size(); ++k) {
    const std::string& from = plan.stages[k].server;
    const std::string& to = plan.stages[(k + 1) % plan.stages.size()].server;
    if (from != to) hops.insert({from, to});
  }
  return hops;
}

absl::StatusOr<std::unique_ptr<NodeClient>> Connect(const Cluster& cluster, const std::string& server,
                                                    double timeout_s, double refused_s) {
  ASSIGN_OR_RETURN(const auto credentials, CredentialsFor(cluster));
  return NodeClient::Connect(cluster.AddressFrom(kUser, server), timeout_s, {credentials, server, refused_s});
}

bool Carries(const Cluster& cluster, const Hop& hop, double timeout_s) {
  const auto client = Connect(cluster, hop.first, timeout_s, timeout_s);
  if (!client.ok()) return true;  // not for us to say
  LinkProbeOptions probe;
  probe.round_trips = 1;
  probe.large_messages = 0;
  probe.limit_s = timeout_s;
  probe.idle_s = 0;
  return (*client)->ProbeLink(hop.second, cluster.AddressFrom(hop.first, hop.second), probe).ok();
}

// Those for which `good` says no, each asked in a thread of its own.
template <typename Items, typename Good>
std::set<typename Items::value_type> Bad(const Items& items, Good good) {
  std::set<typename Items::value_type> bad;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (const auto& item : items) {
    threads.emplace_back([&] {
      if (good(item)) return;
      const std::lock_guard lock(mutex);
      bad.insert(item);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return bad;
}

}  // namespace

bool Outage::Spares(const Plan& plan) const {
  const auto dead = [&](const PlanStage& stage) { return servers.contains(stage.server); };
  if (std::any_of(plan.stages.begin(), plan.stages.end(), dead)) return false;
  const std::set<Hop> hops = HopsOf(plan);
  return std::none_of(hops.begin(), hops.end(), [&](const Hop& hop) { return links.contains(hop); });
}

std::string Outage::ToString() const {
  std::string text;
  for (const std::string& server : servers) text += (text.empty() ? "" : ", ") + server;
  for (const auto& [from, to] : links)
    text += fmt::format("{}link {} to {}", text.empty() ? "" : ", ", from, to);
  return text.empty() ? "nothing" : text;
}

std::set<std::string> DeadServers(const Cluster& cluster, const std::vector<std::string>& servers,
                                  double timeout_s, double refused_s) {
  return Bad(servers,
             [&](const std::string& server) { return Connect(cluster, server, timeout_s, refused_s).ok(); });
}

std::set<Hop> DeadHops(const Cluster& cluster, const Plan& plan, double timeout_s) {
  return Bad(HopsOf(plan), [&](const Hop& hop) { return Carries(cluster, hop, timeout_s); });
}

std::vector<std::string> UsableServers(const Cluster& cluster) {
  std::vector<std::string> names;
  for (const Server& server : cluster.servers) {
    if (!server.forbidden) names.push_back(server.name);
  }
  return names;
}

std::vector<std::string> ServersOf(const Plan& plan) {
  std::set<std::string> names;
  for (const PlanStage& stage : plan.stages) names.insert(stage.server);
  return {names.begin(), names.end()};
}

}  // namespace dilemma
