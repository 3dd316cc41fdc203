#include "cluster/cluster.h"

#include <algorithm>

namespace dilemma {

int Cluster::IndexOf(std::string_view server) const {
  const auto it =
      std::find_if(servers.begin(), servers.end(), [&](const Server& s) { return s.name == server; });
  return it == servers.end() ? -1 : static_cast<int>(it - servers.begin());
}

Link Cluster::Between(std::string_view from, std::string_view to) const {
  for (const Link& link : links) {
    if (link.from == from && link.to == to) return link;
  }
  for (const Link& link : links) {
    if (link.symmetric && link.from == to && link.to == from) {
      Link reverse = link;
      reverse.from = from;
      reverse.to = to;
      reverse.via.clear();
      return reverse;
    }
  }
  Link link;
  link.from = from;
  link.to = to;
  link.latency_s = default_latency_s;
  link.bandwidth_bps = default_bandwidth_bps;
  return link;
}

std::string Cluster::AddressFrom(std::string_view from, std::string_view to) const {
  const Link link = Between(from, to);
  if (!link.via.empty()) return link.via;
  const int index = IndexOf(to);
  return index < 0 ? std::string() : servers[static_cast<size_t>(index)].address;
}

}  // namespace dilemma
