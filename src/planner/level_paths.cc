#include "planner/level_paths.h"

#include <algorithm>

#include "planner/min_plus.h"

namespace dilemma {

LevelMemory::LevelMemory(int servers, int levels) : levels_(levels), near_(static_cast<size_t>(servers)) {
  Rebuild();
}

bool LevelMemory::Remember(const std::vector<LevelBlock>& path, const std::vector<char>& full, int most) {
  bool changed = false;
  for (size_t i = 0; i < path.size(); ++i) {
    if (!full[static_cast<size_t>(path[i].server)]) continue;
    for (size_t j = i + 1; j < path.size(); ++j) {
      if (path[j].server != path[i].server) continue;
      for (size_t k = i + 1; k < j; ++k) {
        auto& list = near_[static_cast<size_t>(path[k].server)];
        const bool known = std::find(list.begin(), list.end(), path[i].server) != list.end();
        if (known || static_cast<int>(list.size()) >= most) continue;
        list.push_back(path[i].server);
        changed = true;
      }
      break;
    }
  }
  if (changed) Rebuild();
  return changed;
}

void LevelMemory::Rebuild() {
  const int N = servers();
  offset_.assign(near_.size(), 0);
  others_.assign(near_.size(), 1);
  total_ = 0;
  for (int n = 0; n < N; ++n) {
    const auto i = static_cast<size_t>(n);
    for (size_t j = 0; j < near_[i].size(); ++j) others_[i] *= levels_;
    offset_[i] = total_;
    total_ += static_cast<size_t>(States(n));
  }
  next_.assign(total_ * near_.size(), 0);
  std::vector<int> level(near_.size());
  for (int n = 0; n < N; ++n) {
    const auto& mine = near_[static_cast<size_t>(n)];
    for (int state = 0; state < States(n); ++state) {
      std::fill(level.begin(), level.end(), 0);
      int rest = state;
      for (size_t j = mine.size(); j-- > 0; rest /= levels_)
        level[static_cast<size_t>(mine[j])] = rest % levels_;
      level[static_cast<size_t>(n)] = rest;
      for (int m = 0; m < N; ++m)
        next_[(Offset(n) + static_cast<size_t>(state)) * near_.size() + static_cast<size_t>(m)] = StateOf(
            m, level[static_cast<size_t>(m)], [&](int other) { return level[static_cast<size_t>(other)]; });
    }
  }
}

void LevelPaths::Arrive(int l) {
  const size_t total = memory_.total();
  for (int n = 0; n < in_.servers; ++n) {
    const int others = memory_.Others(n), levels = memory_.levels();
    double* at = &at_[static_cast<size_t>(l) * total + memory_.Offset(n)];
    std::fill_n(at, memory_.States(n), kNever);
    for (int from = 0; from < levels; ++from, at += others) {
      for (int to = from; to < levels; ++to) {
        const double* row = table_->Row(n, l, from, to);
        const int before = to > from ? table_->Length(n, l, from, to - 1) : 0;
        const double* less = to > from ? table_->Row(n, l, from, to - 1) : nullptr;
        const int length = table_->Length(n, l, from, to);
        for (int k = 1; k <= length; ++k) {
          if (row[k] == kNever || (k <= before && row[k] >= less[k])) continue;  // as good with more left
          const double* after = &after_[static_cast<size_t>(l + k) * total + memory_.Offset(n)];
          RelaxInto(after + static_cast<size_t>(to) * others, at, others, row[k]);
        }
      }
    }
  }
}

// The best next server for each state. Servers are tried by their cost with nothing used, which is the least
// they can have: the first few settle it. Their order is kept, for it hardly changes from unit to unit.
void LevelPaths::Leave(int l) {
  const size_t total = memory_.total(), N = static_cast<size_t>(in_.servers);
  const double* at = &at_[static_cast<size_t>(l) * total];
  for (int n = 0; n < in_.servers; ++n) {
    std::pair<double, int>* nearest = &nearest_[static_cast<size_t>(n) * N];
    for (size_t i = 0; i < N; ++i) {
      const int m = nearest[i].second;
      nearest[i].first = m == n ? kNever : in_.Hop(n, m) + at[memory_.Offset(m)];
    }
    for (size_t i = 1; i < N; ++i) {
      const std::pair<double, int> moved = nearest[i];
      size_t to = i;
      for (; to > 0 && moved < nearest[to - 1]; --to) nearest[to] = nearest[to - 1];
      nearest[to] = moved;
    }
    const int states = memory_.States(n);
    double* after = &after_[static_cast<size_t>(l) * total + memory_.Offset(n)];
    for (int s = 0; s < states; ++s) {
      double best = kNever;
      for (size_t i = 0; i < N && nearest[i].first < best; ++i) {
        const int m = nearest[i].second;
        const auto next = static_cast<size_t>(memory_.Next(n, s, m));
        const double cost = in_.Hop(n, m) + at[memory_.Offset(m) + next];
        if (cost < best) best = cost;
      }
      after[s] = best;
    }
  }
}

double LevelPaths::Solve(const LevelTable& table, const PathEnds& ends) {
  table_ = &table;
  ends_ = ends;
  const size_t total = memory_.total(), N = static_cast<size_t>(in_.servers);
  if (nearest_.empty())
    for (size_t i = 0; i < N * N; ++i) nearest_.emplace_back(0.0, static_cast<int>(i % N));
  at_.resize(static_cast<size_t>(in_.units + 1) * total);
  after_.resize(at_.size());
  for (int n = 0; n < in_.servers; ++n)
    std::fill_n(&after_[static_cast<size_t>(in_.units) * total + memory_.Offset(n)], memory_.States(n),
                ends_.last[static_cast<size_t>(n)]);
  for (int l = in_.units - 1; l >= 0; --l) {
    Arrive(l);
    if (l > 0) Leave(l);
  }
  double best = kNever;
  for (int n = 0; n < in_.servers; ++n)
    best = std::min(best, ends_.first[static_cast<size_t>(n)] + at_[memory_.Offset(n)]);
  return best;
}

std::vector<LevelBlock> LevelPaths::Trace() const {
  const size_t total = memory_.total();
  std::vector<LevelBlock> path;
  int n = -1, state = 0, l = 0;
  double best = kNever;
  for (int m = 0; m < in_.servers; ++m) {
    const double cost = ends_.first[static_cast<size_t>(m)] + at_[memory_.Offset(m)];
    if (cost < best) best = cost, n = m;
  }
  while (n >= 0) {
    const int others = memory_.Others(n), from = state / others;
    LevelBlock block;
    best = kNever;
    for (int to = from; to < memory_.levels(); ++to) {
      const int left = to * others + state % others;
      for (int k = 1; k <= table_->Length(n, l, from, to); ++k) {
        const double cost = table_->Cost(n, l, k, from, to) + Completion(l + k, n, left);
        if (cost < best) best = cost, block = {{n, l, k}, from, to};
      }
    }
    if (block.length == 0) break;
    path.push_back(block);
    l += block.length;
    if (l >= in_.units) break;
    const int left = block.to * others + state % others;
    int to = -1, to_state = 0;
    best = kNever;
    for (int m = 0; m < in_.servers; ++m) {
      if (m == n) continue;
      const int next = memory_.Next(n, left, m);
      const double cost =
          in_.Hop(n, m) + at_[static_cast<size_t>(l) * total + memory_.Offset(m) + static_cast<size_t>(next)];
      if (cost < best) best = cost, to = m, to_state = next;
    }
    n = to;
    state = to_state;
  }
  return path;
}

}  // namespace dilemma
