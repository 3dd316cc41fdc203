#include "planner/block_orders.h"

#include <algorithm>
#include <random>

namespace dilemma {

std::vector<int> OrderOf(const std::vector<Block>& path, int servers) {
  std::vector<int> order;
  std::vector<char> seen(static_cast<size_t>(servers), 0);
  for (const Block& block : path) {
    if (!seen[static_cast<size_t>(block.server)]) order.push_back(block.server);
    seen[static_cast<size_t>(block.server)] = 1;
  }
  for (int n = 0; n < servers; ++n)
    if (!seen[static_cast<size_t>(n)]) order.push_back(n);
  return order;
}

double OrderSearch::Cost(const std::vector<int>& order) {
  ++evaluations_;
  const size_t N = order.size();
  const int U = in_.units;
  begin_.resize(static_cast<size_t>(U + 1) * N);
  after_.resize(begin_.size());
  for (size_t i = 0; i < N; ++i)
    after_[static_cast<size_t>(U) * N + i] = in_.last[static_cast<size_t>(order[i])];
  for (int l = U - 1; l >= 0; --l) {
    double* begin = &begin_[static_cast<size_t>(l) * N];
    double* after = &after_[static_cast<size_t>(l) * N];
    for (size_t i = 0; i < N; ++i) {
      const int n = order[i], length = in_.MaxLength(n, l);
      const double* row = table_.Row(n, l);
      double best = kNever;
      for (int k = 1; k <= length; ++k)
        best = std::min(best, row[k] + after_[static_cast<size_t>(l + k) * N + i]);
      begin[i] = best;
    }
    for (size_t i = 0; i < N && l > 0; ++i) {
      const double* hop = &in_.hop[static_cast<size_t>(order[i]) * static_cast<size_t>(in_.servers)];
      double best = kNever;
      for (size_t j = i + 1; j < N; ++j) best = std::min(best, hop[order[j]] + begin[j]);
      after[i] = best;
    }
  }
  double best = kNever;
  for (size_t i = 0; i < N; ++i) best = std::min(best, in_.first[static_cast<size_t>(order[i])] + begin_[i]);
  return best;
}

std::vector<Block> OrderSearch::Path(const std::vector<int>& order) {
  std::vector<Block> path;
  if (Cost(order) == kNever) return path;
  const size_t N = order.size();
  size_t i = 0;
  for (size_t j = 1; j < N; ++j)
    if (in_.first[static_cast<size_t>(order[j])] + begin_[j] <
        in_.first[static_cast<size_t>(order[i])] + begin_[i])
      i = j;
  for (int l = 0; l < in_.units;) {
    const int n = order[i];
    int length = 0;
    double best = kNever;
    for (int k = 1; k <= in_.MaxLength(n, l); ++k) {
      const double cost = table_.Cost(n, l, k) + after_[static_cast<size_t>(l + k) * N + i];
      if (cost < best) best = cost, length = k;
    }
    path.push_back({n, l, length});
    l += length;
    if (l >= in_.units) break;
    best = kNever;
    size_t next = i;
    for (size_t j = i + 1; j < N; ++j) {
      const double cost = in_.Hop(n, order[j]) + begin_[static_cast<size_t>(l) * N + j];
      if (cost < best) best = cost, next = j;
    }
    i = next;
  }
  return path;
}

// One round over all moves; takes each that improves. Whether any did.
bool OrderSearch::Sweep(std::vector<int>& order, double& cost, int most) {
  bool improved = false;
  const size_t N = order.size();
  const auto take_if_better = [&](const std::vector<int>& changed) {
    const double value = Cost(changed);
    if (value >= cost * (1 - 1e-12)) return;
    cost = value;
    order = changed;
    improved = true;
  };
  for (size_t i = 0; i < N && evaluations_ < most; ++i) {
    for (size_t j = 0; j < N && evaluations_ < most; ++j) {
      if (i == j) continue;
      std::vector<int> moved = order;
      const int server = moved[i];
      moved.erase(moved.begin() + static_cast<std::ptrdiff_t>(i));
      moved.insert(moved.begin() + static_cast<std::ptrdiff_t>(j), server);
      take_if_better(moved);
      if (j < i) continue;
      std::vector<int> swapped = order;
      std::swap(swapped[i], swapped[j]);
      take_if_better(swapped);
      std::vector<int> reversed = order;
      std::reverse(reversed.begin() + static_cast<std::ptrdiff_t>(i),
                   reversed.begin() + static_cast<std::ptrdiff_t>(j) + 1);
      take_if_better(reversed);
    }
  }
  return improved;
}

double OrderSearch::Improve(std::vector<int>& order, int most, uint64_t seed,
                            const std::function<bool()>& stop) {
  std::mt19937_64 random(seed);
  evaluations_ = 0;
  double cost = Cost(order), best_cost = cost;
  std::vector<int> best = order;
  while (evaluations_ < most && !stop()) {
    while (Sweep(order, cost, most) && evaluations_ < most && !stop()) {
    }
    if (cost < best_cost) {
      best_cost = cost;
      best = order;
    }
    order = best;
    for (int i = 0; i < 3; ++i) std::swap(order[random() % order.size()], order[random() % order.size()]);
    cost = Cost(order);
  }
  order = best;
  return best_cost;
}

}  // namespace dilemma
