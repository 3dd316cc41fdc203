#include "planner/split_baselines.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "planner/uniform_types.h"

namespace dilemma {
namespace {

// Servers that may hold some unit, in their order.
std::vector<int> UsableServers(const Problem& p) {
  std::vector<int> usable;
  for (int n = 0; n < p.servers; ++n)
    for (int u = 0; u < p.units; ++u)
      if (p.allowed[p.Un(u, n)] != 0) {
        usable.push_back(n);
        break;
      }
  return usable;
}

int64_t Memory(const Problem& p, int n) { return p.memory_bytes[static_cast<size_t>(n)]; }

// All usable servers, then without the one with the least memory, and so on to a single one.
std::vector<std::vector<int>> ShrinkingSets(const Problem& p) {
  std::vector<int> servers = UsableServers(p);
  std::vector<std::vector<int>> sets;
  while (!servers.empty()) {
    if (p.max_servers == 0 || static_cast<int>(servers.size()) <= p.max_servers) sets.push_back(servers);
    servers.erase(std::min_element(servers.begin(), servers.end(),
                                   [&](int a, int b) { return Memory(p, a) < Memory(p, b); }));
  }
  return sets;
}

// Units in proportion to `share` (one a server of `servers`), at each uniform type.
void AddProportional(const Problem& p, const std::vector<int>& servers, const std::vector<double>& share,
                     std::vector<Assignment>& out) {
  const double total = std::accumulate(share.begin(), share.end(), 0.0);
  if (total <= 0) return;
  std::vector<int> server_of(static_cast<size_t>(p.units), servers.back());
  double sum = 0;
  int from = 0;
  for (size_t i = 0; i < servers.size(); ++i) {
    sum += share[i];
    const int to = static_cast<int>(std::lround(sum / total * p.units));
    for (int u = from; u < std::min(to, p.units); ++u) server_of[static_cast<size_t>(u)] = servers[i];
    from = std::max(from, to);
  }
  for (const auto& types : UniformTypes(p)) {
    Assignment assignment;
    for (size_t u = 0; u < types.size(); ++u) assignment.push_back({server_of[u], types[u]});
    out.push_back(std::move(assignment));
  }
}

Assignment FillGreedily(const Problem& p, const std::vector<int>& servers, const std::vector<int>& types) {
  Assignment assignment;
  size_t i = 0;
  int64_t left = Memory(p, servers[0]) - p.stage_bytes[static_cast<size_t>(servers[0])];
  for (int u = 0; u < p.units; ++u) {
    const int q = types[static_cast<size_t>(u)];
    while (!p.Possible(u, servers[i], q) || p.Bytes(u, servers[i], q) > left) {
      if (++i == servers.size()) return {};
      left = Memory(p, servers[i]) - p.stage_bytes[static_cast<size_t>(servers[i])];
    }
    left -= p.Bytes(u, servers[i], q);
    assignment.push_back({servers[i], q});
  }
  return assignment;
}

// EdgeShard's dynamic program (arXiv 2405.14371): the cheapest way to have the first units done with the last
// of them on n; each state keeps its one best path and the memory that this path leaves.
class EdgeShard {
 public:
  EdgeShard(const Problem& p, const std::vector<int>& types) : p_(p), types_(types) {}

  Assignment Run() {
    std::vector<State> states(static_cast<size_t>(p_.servers));
    for (int n = 0; n < p_.servers; ++n) states[static_cast<size_t>(n)] = First(n);
    for (int u = 1; u < p_.units; ++u) {
      std::vector<State> next(states.size());
      for (int m = 0; m < p_.servers; ++m)
        for (const State& from : states) Extend(from, u, m, next[static_cast<size_t>(m)]);
      states = std::move(next);
    }
    const State* best = nullptr;
    double cost = kNever;
    for (const State& state : states) {
      if (state.path.empty()) continue;
      const double total =
          state.cost + p_.LastCost(state.path.back()) + p_.RingCost(state.path.back(), state.path[0]);
      if (total < cost) {
        cost = total;
        best = &state;
      }
    }
    Assignment assignment;
    for (size_t u = 0; best != nullptr && u < types_.size(); ++u)
      assignment.push_back({best->path[u], types_[u]});
    return assignment;
  }

 private:
  struct State {
    double cost = kNever;
    std::vector<int> path;
    std::vector<int64_t> left;  // [n]
  };

  State First(int n) const {
    State state;
    const int q = types_[0];
    const int64_t bytes =
        p_.Possible(0, n, q) ? p_.Bytes(0, n, q) + p_.stage_bytes[static_cast<size_t>(n)] : kNoLimit;
    if (bytes > Memory(p_, n)) return state;
    state.cost = p_.FirstCost(n) + p_.Cost(0, n, q);
    state.path = {n};
    state.left = p_.memory_bytes;
    state.left[static_cast<size_t>(n)] -= bytes;
    return state;
  }

  void Extend(const State& from, int u, int m, State& best) const {
    const int q = types_[static_cast<size_t>(u)];
    if (from.path.empty() || !p_.Possible(u, m, q)) return;
    const bool same = from.path.back() == m;
    if (!same && p_.one_block_per_server &&
        std::find(from.path.begin(), from.path.end(), m) != from.path.end())
      return;
    const int64_t bytes = p_.Bytes(u, m, q) + (same ? 0 : p_.stage_bytes[static_cast<size_t>(m)]);
    const double cost = from.cost + p_.Cost(u, m, q) + (same ? 0 : p_.EnterCost(from.path.back(), m));
    if (bytes > from.left[static_cast<size_t>(m)] || cost >= best.cost) return;
    best = from;
    best.cost = cost;
    best.path.push_back(m);
    best.left[static_cast<size_t>(m)] -= bytes;
  }

  const Problem& p_;
  const std::vector<int>& types_;
};

}  // namespace

std::vector<Assignment> EvenSplits(const Problem& p) {
  std::vector<Assignment> out;
  for (const auto& servers : ShrinkingSets(p))
    AddProportional(p, servers, std::vector<double>(servers.size(), 1.0), out);
  return out;
}

std::vector<Assignment> MemoryProportionalSplits(const Problem& p) {
  std::vector<Assignment> out;
  for (const auto& servers : ShrinkingSets(p)) {
    std::vector<double> share;
    for (const int n : servers) share.push_back(static_cast<double>(Memory(p, n)));
    AddProportional(p, servers, share, out);
  }
  return out;
}

std::vector<Assignment> GreedyMemorySplits(const Problem& p) {
  std::vector<int> servers = UsableServers(p);
  std::stable_sort(servers.begin(), servers.end(), [&](int a, int b) { return Memory(p, a) > Memory(p, b); });
  std::vector<Assignment> out;
  if (servers.empty()) return out;
  for (const auto& types : UniformTypes(p))
    if (Assignment assignment = FillGreedily(p, servers, types); !assignment.empty())
      out.push_back(assignment);
  return out;
}

std::vector<Assignment> EdgeShardPlans(const Problem& p) {
  std::vector<Assignment> out;
  for (const auto& types : UniformTypes(p))
    if (Assignment assignment = EdgeShard(p, types).Run(); !assignment.empty()) out.push_back(assignment);
  return out;
}

}  // namespace dilemma
