// Who is left: servers that answer, and links over which a server reaches the next one of a plan.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/cluster.h"
#include "plan/plan.h"

namespace dilemma {

// What cannot be used now.
struct Outage {
  std::set<std::string> servers;
  std::set<std::pair<std::string, std::string>> links;  // from, to
  bool empty() const { return servers.empty() && links.empty(); }
  // Whether the plan runs on none of it: its servers, the hops between them, and the token's way back.
  bool Spares(const Plan& plan) const;
  std::string ToString() const;  // "edge-fast, link gateway-tiny"; "nothing"
};

// Those servers that do not answer over their link from the user within the time, or that refuse connections
// (no process listens) for `refused_s` of it. A server that comes back meanwhile counts as there. All are
// asked at once.
std::set<std::string> DeadServers(const Cluster& cluster, const std::vector<std::string>& servers,
                                  double timeout_s, double refused_s);

// Those hops of the plan that carry nothing, as the servers themselves see it. A server that cannot be asked
// has no dead hops.
std::set<std::pair<std::string, std::string>> DeadHops(const Cluster& cluster, const Plan& plan,
                                                       double timeout_s);

// Servers that plans may use.
std::vector<std::string> UsableServers(const Cluster& cluster);
std::vector<std::string> ServersOf(const Plan& plan);  // each once

}  // namespace dilemma
