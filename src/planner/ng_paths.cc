#include "planner/ng_paths.h"

#include <algorithm>

#include "planner/min_plus.h"

namespace dilemma {

PathEnds PathEnds::From(const BlockInstance& in, int server) {
  const auto s = static_cast<size_t>(server);
  PathEnds ends{std::vector<double>(in.first.size(), kNever), in.last};
  ends.first[s] = in.first[s];
  for (int n = 0; in.has_ring && n < in.servers; ++n) ends.last[static_cast<size_t>(n)] += in.Ring(n, server);
  return ends;
}

Neighbourhoods::Neighbourhoods(int servers) : near_(static_cast<size_t>(servers)) { Rebuild(); }

bool Neighbourhoods::Forbid(const std::vector<Block>& path, int most) {
  bool changed = false;
  for (size_t i = 0; i < path.size(); ++i) {
    for (size_t j = i + 1; j < path.size(); ++j) {
      if (path[j].server != path[i].server) continue;
      for (size_t k = i + 1; k < j; ++k) {
        auto& list = near_[static_cast<size_t>(path[k].server)];
        const bool known = std::find(list.begin(), list.end(), path[i].server) != list.end();
        if (known || path[k].server == path[i].server || static_cast<int>(list.size()) >= most) continue;
        list.push_back(path[i].server);
        changed = true;
      }
      break;
    }
  }
  if (changed) Rebuild();
  return changed;
}

bool Neighbourhoods::Allows(const std::vector<Block>& path) const {
  int state = 0;
  for (size_t i = 1; i < path.size() && state >= 0; ++i)
    state = Next(path[i - 1].server, state, path[i].server);
  return state >= 0;
}

void Neighbourhoods::Rebuild() {
  const int N = servers();
  offset_.assign(near_.size(), 0);
  total_ = 0;
  for (int n = 0; n < N; ++n) {
    offset_[static_cast<size_t>(n)] = total_;
    total_ += static_cast<size_t>(States(n));
  }
  next_.assign(total_ * near_.size(), -1);
  std::vector<char> known(near_.size());
  for (int n = 0; n < N; ++n) {
    for (int state = 0; state < States(n); ++state) {
      std::fill(known.begin(), known.end(), 0);
      known[static_cast<size_t>(n)] = 1;
      const auto& mine = near_[static_cast<size_t>(n)];
      for (size_t i = 0; i < mine.size(); ++i)
        if (state >> i & 1) known[static_cast<size_t>(mine[i])] = 1;
      for (int m = 0; m < N; ++m) {
        int to = -1;
        if (!known[static_cast<size_t>(m)]) {
          const auto& theirs = near_[static_cast<size_t>(m)];
          to = 0;
          for (size_t i = 0; i < theirs.size(); ++i)
            if (known[static_cast<size_t>(theirs[i])]) to |= 1 << i;
        }
        next_[(Offset(n) + static_cast<size_t>(state)) * near_.size() + static_cast<size_t>(m)] =
            static_cast<int16_t>(to);
      }
    }
  }
}

int NgPaths::FillRow(const BlockTable& table, int n, int l) {
  row_.resize(static_cast<size_t>(in_.units) + 1);
  if (!reversed_) {
    const int length = in_.MaxLength(n, l);
    std::copy_n(table.Row(n, l), static_cast<size_t>(length) + 1, row_.begin());
    return length;
  }
  const int end = in_.units - l;  // the block is units end-k .. end-1
  int k = 1;
  while (k <= end && in_.MaxLength(n, end - k) >= k) {
    row_[static_cast<size_t>(k)] = table.Cost(n, end - k, k);
    ++k;
  }
  return k - 1;
}

void NgPaths::Arrive(const BlockTable& table, int l) {
  const size_t total = near_.total();
  for (int n = 0; n < in_.servers; ++n) {
    const auto states = static_cast<size_t>(near_.States(n));
    double* at = &at_[static_cast<size_t>(l) * total + near_.Offset(n)];
    std::fill_n(at, states, kNever);
    const int length = FillRow(table, n, l);
    for (int k = 1; k <= length; ++k) {
      const double block = row_[static_cast<size_t>(k)];
      if (block == kNever) continue;
      const double* after = &after_[static_cast<size_t>(l + k) * total + near_.Offset(n)];
      RelaxInto(after, at, static_cast<int>(states), block);
    }
  }
}

// The best next server for each memory. Servers are tried by their cost with an empty memory, which is the
// least they can have: the first few settle it. Their order is kept, for it hardly changes from unit to unit.
void NgPaths::Leave(int l) {
  const size_t total = near_.total(), N = static_cast<size_t>(in_.servers);
  const double* at = &at_[static_cast<size_t>(l) * total];
  for (int n = 0; n < in_.servers; ++n) {
    std::pair<double, int>* nearest = &nearest_[static_cast<size_t>(n) * N];
    for (size_t i = 0; i < N; ++i) {
      const int m = nearest[i].second;
      nearest[i].first =
          m == n ? kNever : HopCost(n, m) + price_[static_cast<size_t>(m)] + at[near_.Offset(m)];
    }
    for (size_t i = 1; i < N; ++i) {
      const std::pair<double, int> moved = nearest[i];
      size_t to = i;
      for (; to > 0 && moved < nearest[to - 1]; --to) nearest[to] = nearest[to - 1];
      nearest[to] = moved;
    }
    const auto states = static_cast<size_t>(near_.States(n));
    double* after = &after_[static_cast<size_t>(l) * total + near_.Offset(n)];
    for (size_t s = 0; s < states; ++s) {
      double best = kNever;
      for (size_t i = 0; i < N && nearest[i].first < best; ++i) {
        const int m = nearest[i].second;
        const int next = near_.Next(n, static_cast<int>(s), m);
        if (next < 0) continue;
        const double cost =
            HopCost(n, m) + price_[static_cast<size_t>(m)] + at[near_.Offset(m) + static_cast<size_t>(next)];
        if (cost < best) best = cost;
      }
      after[s] = best;
    }
  }
}

double NgPaths::Solve(const BlockTable& table, const PathEnds& ends, const std::vector<double>& price) {
  table_ = &table;
  ends_ = ends;
  if (reversed_) std::swap(ends_.first, ends_.last);
  price_ = price;
  const size_t total = near_.total(), N = static_cast<size_t>(in_.servers);
  if (nearest_.empty())
    for (size_t i = 0; i < N * N; ++i) nearest_.emplace_back(0.0, static_cast<int>(i % N));
  at_.resize(static_cast<size_t>(in_.units + 1) * total);
  after_.resize(at_.size());
  for (int n = 0; n < in_.servers; ++n)
    std::fill_n(&after_[static_cast<size_t>(in_.units) * total + near_.Offset(n)], near_.States(n),
                ends_.last[static_cast<size_t>(n)]);
  for (int l = in_.units - 1; l >= 0; --l) {
    Arrive(table, l);
    if (l > 0) Leave(l);
  }
  // What the reversed direction calls "after" unit 0 is its own arrival.
  double best = kNever;
  for (int n = 0; n < in_.servers; ++n)
    best = std::min(
        best, ends_.first[static_cast<size_t>(n)] + price_[static_cast<size_t>(n)] + at_[near_.Offset(n)]);
  return best;
}

std::vector<Block> NgPaths::Trace() const {
  const size_t total = near_.total();
  std::vector<Block> path;
  int n = -1, state = 0, l = 0;
  double best = kNever;
  for (int m = 0; m < in_.servers; ++m) {
    const double cost =
        ends_.first[static_cast<size_t>(m)] + price_[static_cast<size_t>(m)] + at_[near_.Offset(m)];
    if (cost < best) best = cost, n = m;
  }
  while (n >= 0) {
    const double* row = table_->Row(n, l);
    int length = 0;
    best = kNever;
    for (int k = 1; k <= in_.MaxLength(n, l); ++k) {
      const double cost = row[k] + Completion(l + k, n, state);
      if (cost < best) best = cost, length = k;
    }
    path.push_back({n, l, length});
    l += length;
    if (l >= in_.units || length == 0) break;
    int to = -1, to_state = 0;
    best = kNever;
    for (int m = 0; m < in_.servers; ++m) {
      const int next = m == n ? -1 : near_.Next(n, state, m);
      if (next < 0) continue;
      const double cost = HopCost(n, m) + price_[static_cast<size_t>(m)] +
                          at_[static_cast<size_t>(l) * total + near_.Offset(m) + static_cast<size_t>(next)];
      if (cost < best) best = cost, to = m, to_state = next;
    }
    n = to;
    state = to_state;
  }
  return path;
}

}  // namespace dilemma
