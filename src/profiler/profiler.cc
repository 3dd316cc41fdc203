#include "profiler/profiler.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/status.h"
#include "profiler/compute_probe.h"

namespace dilemma {
namespace {

constexpr double kConnectS = 5;

// Progress of probes that may run on several threads.
class Steps {
 public:
  Steps(const ProfileOptions& options, int total) : options_(options), total_(total) {}

  bool Next(std::string_view what) {
    if (!options_.progress) return true;
    const std::lock_guard lock(mutex_);
    return options_.progress(static_cast<double>(done_++) / total_, what);
  }

 private:
  const ProfileOptions& options_;
  int total_;
  std::mutex mutex_;
  int done_ = 0;
};

std::string HostOf(const std::string& address) { return address.substr(0, address.rfind(':')); }

absl::StatusOr<LinkProfile> Summarise(std::string_view from, std::string_view to,
                                      const absl::StatusOr<LinkProbeResult>& probe) {
  if (!probe.ok()) return Annotate(probe.status(), fmt::format("the link from '{}' to '{}'", from, to));
  LinkProfile link;
  link.from = from;
  link.to = to;
  link.latency_s = Median(probe->round_trip_s) / 2;
  link.bandwidth_bps = 8 * Median(probe->bytes_per_s);
  if (link.bandwidth_bps <= 0) return Unavailable("the link from '{}' to '{}' let nothing through", from, to);
  return link;
}

using Clients = std::vector<std::unique_ptr<NodeClient>>;

absl::StatusOr<Clients> ConnectAll(const Cluster& cluster) {
  Clients clients;
  ASSIGN_OR_RETURN(const auto credentials, CredentialsFor(cluster));
  for (const Server& server : cluster.servers) {
    const std::string address = cluster.AddressFrom(kUser, server.name);
    if (address.empty()) {
      return InvalidArgument(
          "server '{}' has no address in cluster '{}'; start `dilemma node` there and write \"host:port\"",
          server.name, cluster.name);
    }
    auto client = NodeClient::Connect(address, kConnectS, {credentials, server.name});
    if (!client.ok()) return Annotate(client.status(), fmt::format("server '{}'", server.name));
    clients.push_back(*std::move(client));
  }
  return clients;
}

absl::Status MeasureLinks(const Cluster& cluster, Clients& clients, const ProfileOptions& options,
                          Steps& steps, Profile& profile) {
  for (size_t i = 0; i < clients.size(); ++i) {
    const std::string& from = cluster.servers[i].name;
    if (Interrupted() || !steps.Next(fmt::format("link user - {}", from))) return InterruptedStatus();
    ASSIGN_OR_RETURN(LinkProfile link, Summarise(kUser, from, clients[i]->MeasureLink(options.link)));
    profile.links.push_back(link);
    std::swap(link.from, link.to);
    profile.links.push_back(link);
    for (size_t j = 0; j < clients.size(); ++j) {
      if (i == j) continue;
      const std::string& to = cluster.servers[j].name;
      if (Interrupted() || !steps.Next(fmt::format("link {} - {}", from, to))) return InterruptedStatus();
      ASSIGN_OR_RETURN(
          link, Summarise(from, to, clients[i]->ProbeLink(to, cluster.AddressFrom(from, to), options.link)));
      profile.links.push_back(link);
    }
  }
  return absl::OkStatus();
}

// Times servers host by host: those of one host one after the other, hosts at the same time.
absl::Status MeasureServers(const Cluster& cluster, Clients& clients, const ModelInfo& model,
                            const ProbeShape& shape, const ProfileOptions& options, Steps& steps,
                            Profile& profile) {
  std::map<std::string, std::vector<size_t>> hosts;
  for (size_t i = 0; i < clients.size(); ++i) hosts[HostOf(cluster.servers[i].address)].push_back(i);
  profile.servers.resize(clients.size());
  std::mutex mutex;
  absl::Status first_error;
  std::atomic<bool> failed = false;
  const auto measure_host = [&](const std::vector<size_t>& members) {
    ProfileOptions of_host = options;
    if (members.size() == 1) {
      of_host.sweep_bytes = 0;  // nobody else uses its caches
    } else {
      of_host.idle_s /= 4;
    }
    for (const size_t i : members) {
      const Server& server = cluster.servers[i];
      auto measured =
          MeasureServer(*clients[i], model, shape, of_host, server.threads, [&](std::string_view what) {
            return !failed && steps.Next(fmt::format("{}: {}", server.name, what));
          });
      if (!measured.ok()) {
        failed = true;
        const std::lock_guard lock(mutex);
        if (first_error.ok())
          first_error = Annotate(measured.status(), fmt::format("server '{}'", server.name));
        return;
      }
      measured->server = server.name;
      profile.servers[i] = *std::move(measured);
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(hosts.size());
  for (const auto& [host, members] : hosts) threads.emplace_back(measure_host, members);
  for (std::thread& thread : threads) thread.join();
  return first_error;
}

}  // namespace

absl::StatusOr<Profile> MeasureProfile(const Cluster& cluster, const ModelInfo& model,
                                       const ProfileOptions& options) {
  Profile profile;
  profile.model = model.name;
  profile.cluster = cluster.name;
  profile.decode_context = options.decode_context;
  profile.prefill_chunk = options.prefill_chunk;
  ASSIGN_OR_RETURN(const ProbeShape shape, MakeProbeShape(model));
  ASSIGN_OR_RETURN(Clients clients, ConnectAll(cluster));
  const int servers = static_cast<int>(clients.size());
  Steps steps(options, servers * ProbeCount(model, options) + servers * servers);
  RETURN_IF_ERROR(MeasureServers(cluster, clients, model, shape, options, steps, profile));
  RETURN_IF_ERROR(MeasureLinks(cluster, clients, options, steps, profile));
  return profile;
}

}  // namespace dilemma
