#include "fleet/fleet.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace dilemma {
namespace {

class WholeModel : public FleetModel {
 public:
  WholeModel(std::string name, double weight, Problem problem)
      : FleetModel(std::move(name), weight), problem_(std::move(problem)) {}
  Problem Over(absl::Span<const int> servers) const override { return Restrict(problem_, servers); }

 private:
  const Problem problem_;
};

// to[i][j] = from[rows of i][servers[j]] for tables whose last index but `inner` is the server.
template <typename T>
void PickServers(const std::vector<T>& from, size_t servers, size_t inner, absl::Span<const int> chosen,
                 std::vector<T>& to) {
  to.clear();
  if (from.empty()) return;
  const size_t outer = from.size() / (servers * inner);
  for (size_t o = 0; o < outer; ++o)
    for (const int n : chosen) {
      const auto begin =
          from.begin() + static_cast<ptrdiff_t>((o * servers + static_cast<size_t>(n)) * inner);
      to.insert(to.end(), begin, begin + static_cast<ptrdiff_t>(inner));
    }
}

void PickTimes(const Times& from, size_t servers, size_t inner, absl::Span<const int> chosen, Times& to) {
  PickServers(from.prefill_s, servers, inner, chosen, to.prefill_s);
  PickServers(from.decode_s, servers, inner, chosen, to.decode_s);
  PickServers(from.request_s, servers, inner, chosen, to.request_s);
}

// A table of pairs of servers: rows, then columns.
void PickPairs(const Times& from, size_t servers, absl::Span<const int> chosen, Times& to) {
  Times rows;
  PickTimes(from, servers, servers, chosen, rows);
  PickTimes(rows, servers, 1, chosen, to);
}

}  // namespace

std::unique_ptr<FleetModel> MakeFleetModel(std::string name, double weight, Problem problem) {
  return std::make_unique<WholeModel>(std::move(name), weight, std::move(problem));
}

Problem Restrict(const Problem& from, absl::Span<const int> servers) {
  const auto N = static_cast<size_t>(from.servers), Q = static_cast<size_t>(from.types);
  Problem to;
  to.units = from.units;
  to.servers = static_cast<int>(servers.size());
  to.types = from.types;
  to.decode_steps = from.decode_steps;
  to.weight_bytes = from.weight_bytes;
  to.loss = from.loss;
  to.offered = from.offered;
  to.kv_bytes = from.kv_bytes;
  to.loss_budget = from.loss_budget;
  to.max_servers = from.max_servers;
  to.one_block_per_server = from.one_block_per_server;
  to.objective = from.objective;
  to.unit_names = from.unit_names;
  to.type_names = from.type_names;
  PickTimes(from.compute, N, Q, servers, to.compute);
  PickTimes(from.stage, N, 1, servers, to.stage);
  PickTimes(from.entry, N, 1, servers, to.entry);
  PickTimes(from.exit, N, 1, servers, to.exit);
  PickPairs(from.hop, N, servers, to.hop);
  PickPairs(from.ring, N, servers, to.ring);
  PickPairs(from.link_busy, N, servers, to.link_busy);
  PickServers(from.move_s, N, Q, servers, to.move_s);
  PickServers(from.allowed, N, 1, servers, to.allowed);
  PickServers(from.fixed_bytes, N, 1, servers, to.fixed_bytes);
  PickServers(from.stage_bytes, N, 1, servers, to.stage_bytes);
  PickServers(from.memory_bytes, N, 1, servers, to.memory_bytes);
  PickServers(from.disk_bytes, N, 1, servers, to.disk_bytes);
  PickServers(from.busy_limit_s, N, 1, servers, to.busy_limit_s);
  PickServers(from.server_names, N, 1, servers, to.server_names);
  return to;
}

absl::StatusOr<Fleet> MakeFleet(std::vector<NamedProblem> problems) {
  if (problems.empty()) return InvalidArgument("a fleet needs at least one model");
  Fleet fleet;
  fleet.server_names = problems[0].problem.server_names;
  const auto N = fleet.server_names.size();
  fleet.memory_bytes.assign(N, kNoLimit);
  fleet.disk_bytes.assign(N, kNoLimit);
  fleet.busy_limit_s.assign(N, kNever);
  for (NamedProblem& named : problems) {
    const Problem& p = named.problem;
    RETURN_IF_ERROR(Annotate(p.Check(), named.name));
    if (!std::isfinite(named.weight) || named.weight <= 0)
      return InvalidArgument("{}: weight is {}, not a number above 0", named.name, named.weight);
    if (p.server_names.size() != N)
      return InvalidArgument("{} has {} servers, {} has {}: models of a fleet share the same servers",
                             named.name, p.server_names.size(), problems[0].name, N);
    for (size_t n = 0; n < N; ++n) {
      if (p.server_names[n] != fleet.server_names[n])
        return InvalidArgument(
            "{}: server {} is '{}', in {} it is '{}': models of a fleet share the same servers", named.name,
            n, p.server_names[n], problems[0].name, fleet.server_names[n]);
      fleet.memory_bytes[n] = std::min(fleet.memory_bytes[n], p.memory_bytes[n]);
      fleet.disk_bytes[n] = std::min(fleet.disk_bytes[n], p.disk_bytes[n]);
      fleet.busy_limit_s[n] = std::min(fleet.busy_limit_s[n], p.busy_limit_s[n]);
    }
  }
  for (NamedProblem& named : problems)
    fleet.models.push_back(MakeFleetModel(std::move(named.name), named.weight, std::move(named.problem)));
  return fleet;
}

}  // namespace dilemma
