#include "planner/block_instance.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace dilemma {
namespace {

constexpr int kMostCells = 640;   // per server, where the sizes have a common divisor
constexpr int kGridCells = 384;   // per server, where they have none
constexpr int kFewestCells = 96;  // finer cells cost little below this

bool NeverBetter(const Item& a, const Item& b) {
  return a.cost >= b.cost && a.loss >= b.loss && a.excess >= b.excess && a.busy >= b.busy;
}

// Drops items that another one beats or equals in everything.
void DropDominated(std::vector<Item>& items) {
  std::vector<Item> kept;
  for (size_t i = 0; i < items.size(); ++i) {
    bool dominated = false;
    for (size_t j = 0; j < items.size() && !dominated; ++j)
      dominated = j != i && NeverBetter(items[i], items[j]) && (!NeverBetter(items[j], items[i]) || j < i);
    if (!dominated) kept.push_back(items[i]);
  }
  items = std::move(kept);
}

}  // namespace

BlockInstance::BlockInstance(const Problem& problem) {
  units = problem.units;
  KeepUsefulServers(problem);
  MakeItems(problem);
  MakeLengths(problem);
  MakeCells();
  FindTwins(problem);
}

void BlockInstance::KeepUsefulServers(const Problem& p) {
  for (int n = 0; n < p.servers; ++n) {
    bool useful = false;
    for (int u = 0; u < p.units && !useful; ++u)
      for (int q = 0; q < p.types && !useful; ++q)
        useful = p.Possible(u, n, q) && p.Bytes(u, n, q) + p.stage_bytes[static_cast<size_t>(n)] <=
                                            p.memory_bytes[static_cast<size_t>(n)];
    if (useful) server_of.push_back(n);
  }
  servers = static_cast<int>(server_of.size());
  max_blocks = p.max_servers > 0 ? std::min(p.max_servers, servers) : servers;
  for (const int n : server_of) {
    const auto i = static_cast<size_t>(n);
    first.push_back(p.FirstCost(n));
    last.push_back(p.LastCost(n));
    memory.push_back(p.memory_bytes[i]);
    stage.push_back(p.stage_bytes[i]);
    memory_.push_back(p.memory_bytes[i] - p.stage_bytes[i]);
    disk_.push_back(p.disk_bytes[i]);
    busy_limit.push_back(p.busy_limit_s[i] * (1 + 1e-9) - p.stage.decode_s[i]);
    has_busy_limits = has_busy_limits || std::isfinite(p.busy_limit_s[i]);
    for (const int m : server_of) {
      hop.push_back(n == m ? 0 : p.EnterCost(n, m));
      ring.push_back(p.RingCost(n, m));
      has_ring = has_ring || ring.back() > 0;
    }
  }
}

void BlockInstance::MakeItems(const Problem& p) {
  has_budget = std::isfinite(p.loss_budget) && p.loss_budget > 0;
  const bool no_loss = p.loss_budget == 0;
  items.resize(static_cast<size_t>(units) * servers);
  memory_prefix_.assign(static_cast<size_t>(servers) * (units + 1), 0);
  disk_prefix_ = memory_prefix_;
  for (int n = 0; n < servers; ++n) {
    const int from = server_of[static_cast<size_t>(n)];
    for (int u = 0; u < units; ++u) {
      auto& menu = items[static_cast<size_t>(u) * servers + n];
      int64_t smallest = kNoLimit;
      for (int q = 0; q < p.types; ++q) {
        const size_t uq = p.Uq(u, q);
        if (!p.Possible(u, from, q) || (no_loss && p.loss[uq] > 0)) continue;
        const double busy = p.compute.decode_s[p.At(u, from, q)];
        const bool limited = std::isfinite(busy_limit[static_cast<size_t>(n)]);
        menu.push_back({p.Cost(u, from, q), has_budget ? p.loss[uq] / p.loss_budget : 0, p.weight_bytes[uq],
                        0, limited ? busy : 0, q});
        smallest = std::min(smallest, p.weight_bytes[uq]);
      }
      for (Item& item : menu) item.excess -= smallest;
      DropDominated(menu);
      const size_t at = static_cast<size_t>(n) * (units + 1) + u;
      const int64_t least = menu.empty() ? 0 : smallest;
      memory_prefix_[at + 1] = memory_prefix_[at] + least + p.fixed_bytes[p.Un(u, from)];
      disk_prefix_[at + 1] = disk_prefix_[at] + least;
    }
  }
}

int64_t BlockInstance::Slack(int n, int a, int b) const {
  const auto i = static_cast<size_t>(n);
  const size_t row = i * (units + 1);
  const int64_t by_memory = memory_[i] - (memory_prefix_[row + b] - memory_prefix_[row + a]);
  const int64_t by_disk = disk_[i] - (disk_prefix_[row + b] - disk_prefix_[row + a]);
  return std::min(by_memory, by_disk);
}

void BlockInstance::MakeLengths(const Problem&) {
  max_length.assign(static_cast<size_t>(servers) * (units + 1), 0);
  for (int n = 0; n < servers; ++n) {
    for (int a = 0; a < units; ++a) {
      double busy = 0;
      int b = a;
      while (b < units && !Items(b, n).empty() && Slack(n, a, b + 1) >= 0) {
        double least = kNever;
        for (const Item& item : Items(b, n)) least = std::min(least, item.busy);
        busy += least;
        if (busy > busy_limit[static_cast<size_t>(n)]) break;
        ++b;
      }
      max_length[static_cast<size_t>(n) * (units + 1) + a] = b - a;
    }
  }
}

void BlockInstance::MakeCells() {
  for (int n = 0; n < servers; ++n) {
    std::map<std::vector<int64_t>, int> menus;  // sets of excesses and how many units have them
    int64_t slack = 0;
    for (int u = 0; u < units; ++u) {
      if (MaxLength(n, u) > 0) slack = std::max(slack, Slack(n, u, u + 1));
      std::vector<int64_t> menu;
      for (const Item& item : Items(u, n)) menu.push_back(item.excess);
      if (!menu.empty()) ++menus[menu];
    }
    const auto most = std::max_element(menus.begin(), menus.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    int64_t common = 0, all = 0;
    if (most != menus.end())
      for (const int64_t excess : most->first) common = std::gcd(common, excess);
    for (const auto& [menu, count] : menus)
      for (const int64_t excess : menu) all = std::gcd(all, excess);
    int64_t size = all > 0 && slack / all <= kMostCells ? all : common;
    if (size <= 0 || slack / size > kMostCells) size = std::max<int64_t>(1, slack / kGridCells);
    while (slack / size < kFewestCells && size % 2 == 0) size /= 2;
    cell.push_back(size);
    for (int u = 0; u < units; ++u)
      for (Item& item : items[static_cast<size_t>(u) * servers + n])
        item.cells = static_cast<int>(std::min<int64_t>(item.excess / size, kMostCells * 4));
  }
}

void BlockInstance::FindTwins(const Problem& p) {
  twin.assign(static_cast<size_t>(servers), -1);
  const auto same_items = [&](int n, int m) {
    for (int u = 0; u < units; ++u) {
      const auto &a = Items(u, n), &b = Items(u, m);
      if (a.size() != b.size()) return false;
      for (size_t i = 0; i < a.size(); ++i)
        if (a[i].cost != b[i].cost || a[i].type != b[i].type || a[i].busy != b[i].busy) return false;
      if (p.fixed_bytes[p.Un(u, server_of[static_cast<size_t>(n)])] !=
          p.fixed_bytes[p.Un(u, server_of[static_cast<size_t>(m)])])
        return false;
    }
    return true;
  };
  const auto same_links = [&](int n, int m) {
    if (Hop(n, m) != Hop(m, n) || Ring(n, m) != Ring(m, n)) return false;
    for (int x = 0; x < servers; ++x) {
      if (x == n || x == m) continue;
      if (Hop(n, x) != Hop(m, x) || Hop(x, n) != Hop(x, m) || Ring(n, x) != Ring(m, x) ||
          Ring(x, n) != Ring(x, m))
        return false;
    }
    return true;
  };
  for (int n = 1; n < servers; ++n) {
    for (int m = n - 1; m >= 0 && twin[static_cast<size_t>(n)] < 0; --m) {
      const auto i = static_cast<size_t>(n), j = static_cast<size_t>(m);
      if (memory_[i] == memory_[j] && disk_[i] == disk_[j] && first[i] == first[j] && last[i] == last[j] &&
          busy_limit[i] == busy_limit[j] && same_items(n, m) && same_links(n, m))
        twin[i] = m;
    }
  }
}

}  // namespace dilemma
