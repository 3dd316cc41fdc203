// The servers an operator owns and the links between them, as written in a cluster file (docs/formats.md).
// Plain data. "user" is the reserved name of the place where requests come from (the coordinator).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

inline constexpr std::string_view kUser = "user";

struct Server {
  std::string name;
  std::string address;                  // "host:port" of its node
  std::optional<int64_t> memory_bytes;  // the whole node process may hold this; absent: the machine's own
  std::optional<int64_t> disk_bytes;    // limit for stored shards
  double compute_share = 1.0;           // of the machine's time, in (0, 1]
  std::optional<double> max_busy_s_per_token;  // upper limit of its compute time per token, where given
  int threads = 0;                             // 0: as the node was started
  bool trusted = true;                         // may hold embedding and head (they see the text)
  bool forbidden = false;                      // keep it out of every plan
  double emulated_slowdown = 1.0;  // `dilemma emulate` only: compute time is stretched by this factor
};

struct Link {
  std::string from, to;      // server names or "user"
  double latency_s = 0;      // one way
  double bandwidth_bps = 0;  // bits per second; 0: not given
  double share = 1.0;        // of the bandwidth that may be used, in (0, 1]
  std::string via;           // address at which `from` reaches `to`, where it is not to's own address
  bool symmetric = true;     // the entry stands for both directions (via is then for from -> to only)
};

struct Cluster {
  std::string name;
  std::vector<Server> servers;
  std::vector<Link> links;           // explicit pairs
  double default_latency_s = 0.001;  // for pairs without an entry
  double default_bandwidth_bps = 1e9;
  std::filesystem::path certs;  // folder with the certificate of those who use the cluster; empty: none

  int IndexOf(std::string_view server) const;  // -1 where there is none
  // The link in the given direction (an entry for it, a symmetric entry for the other direction, or the
  // default).
  Link Between(std::string_view from, std::string_view to) const;
  // Where `from` connects to reach server `to`.
  std::string AddressFrom(std::string_view from, std::string_view to) const;
};

absl::StatusOr<Cluster> ReadCluster(const std::filesystem::path& path);  // TOML; errors name line and field
absl::StatusOr<Cluster> ParseCluster(std::string_view toml, std::string_view source);
std::string ClusterToToml(const Cluster& cluster);

}  // namespace dilemma
