#include "planner/level_table.h"

#include <algorithm>
#include <limits>

namespace dilemma {
namespace {

// next[i] = min(next[i], now[i - shift] + cost) for i in [shift, size).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void RelaxShifted(const double* now, double* next, int shift, int size, double cost) {
  for (int i = shift; i < size; ++i) {
    const double candidate = now[i - shift] + cost;
    next[i] = candidate < next[i] ? candidate : next[i];
  }
}

// The least that a block takes on n: where less is left, the server is full.
int64_t LeastBlock(const BlockInstance& in, int n) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int u = 0; u < in.units; ++u)
    if (!in.Items(u, n).empty()) least = std::min(least, in.LeastBytes(n, u, u + 1));
  return least + in.stage[static_cast<size_t>(n)];
}

}  // namespace

LevelTable::LevelTable(const BlockInstance& instance, int levels)
    : in_(instance), levels_(levels), pairs_(static_cast<size_t>(levels) * static_cast<size_t>(levels)) {
  size_t size = 0;
  int cells = 0;
  for (int n = 0; n < in_.servers; ++n) {
    const int64_t memory = in_.memory[static_cast<size_t>(n)];
    // The last level is "full"; the others divide what is below it.
    const int64_t full = std::max<int64_t>(0, memory - LeastBlock(in_, n) + 1);
    for (int i = 0; i < levels_; ++i)
      threshold_.push_back(i + 1 == levels_ && levels_ > 1 ? full : full * i / std::max(1, levels_ - 1));
    const int64_t* at = &threshold_[static_cast<size_t>(n) * levels_];
    int longest = 0;
    for (int a = 0; a < in_.units; ++a) {
      longest = std::max(longest, in_.MaxLength(n, a));
      if (in_.MaxLength(n, a) > 0) cells = std::max(cells, in_.SlackCells(n, a, a + 1));
    }
    longest_.push_back(longest);
    for (int from = 0; from < levels_; ++from)
      for (int to = 0; to < levels_; ++to)
        room_.push_back(to < from           ? kNoRoom
                        : to + 1 == levels_ ? memory - at[from]
                                            : at[to + 1] - at[from] - 1);
    row_.push_back(size);
    size += RowSize(n) * static_cast<size_t>(in_.units) * pairs_;
  }
  cost_.assign(size, kNever);
  for (int n = 0; n < in_.servers; ++n) {
    for (int from = 0; from < levels_; ++from) {
      for (int to = 0; to < levels_; ++to) {
        for (int a = 0; a < in_.units; ++a) {
          int k = 0;
          while (k < in_.MaxLength(n, a) && Cells(n, a, k + 1, from, to) >= 0) ++k;
          length_.push_back(k);
        }
      }
    }
    for (int a = 0; a < in_.units; ++a) alive_count_ += in_.MaxLength(n, a);
  }
  alive_.assign(static_cast<size_t>(in_.servers) * in_.units * (in_.units + 1), 1);
  now_.resize(static_cast<size_t>(cells) + 1);
  next_.resize(now_.size());
}

int LevelTable::LevelOf(int n, int64_t used) const {
  const int64_t* at = &threshold_[static_cast<size_t>(n) * levels_];
  int level = levels_ - 1;
  while (level > 0 && used < at[level]) --level;
  return level;
}

int64_t LevelTable::Cells(int n, int a, int k, int from, int to) const {
  const auto i = static_cast<size_t>(n);
  const int64_t slack = room_[i * pairs_ + Pair(from, to)] - in_.stage[i] - in_.LeastBytes(n, a, a + k);
  return slack < 0 ? kNoRoom : slack / in_.cell[i];
}

void LevelTable::Compute(const BlockPrices& prices) {
  prices_ = prices;
  for (int n = 0; n < in_.servers; ++n)
    for (int a = 0; a < in_.units; ++a) ComputeRows(n, a);
}

void LevelTable::Drop(int n, int a, int k) {
  char& alive = alive_[AliveAt(n, a, k)];
  alive_count_ -= alive;
  alive = 0;
}

void LevelTable::ComputeRows(int n, int a) {
  const int length = in_.MaxLength(n, a);
  if (length == 0) return;
  const double memory = prices_.Memory(n);
  std::fill(now_.begin(), now_.begin() + in_.SlackCells(n, a, a + 1) + 1, 0.0);
  for (int k = 1; k <= length; ++k) {
    const int u = a + k - 1, size = in_.SlackCells(n, a, a + k) + 1;
    std::fill(next_.begin(), next_.begin() + size, kNever);
    for (const Item& item : in_.Items(u, n))
      RelaxShifted(now_.data(), next_.data(), item.cells, size,
                   item.cost + prices_.mu * item.loss + memory * static_cast<double>(item.excess));
    now_.swap(next_);
    const bool alive = alive_[AliveAt(n, a, k)] != 0;
    const double base =
        memory * static_cast<double>(in_.LeastBytes(n, a, a + k) + in_.stage[static_cast<size_t>(n)]);
    for (int from = 0; from < levels_; ++from) {
      for (int to = from; to < levels_; ++to) {
        if (k > Length(n, a, from, to)) continue;
        cost_[RowAt(n, a, from, to) + static_cast<size_t>(k)] =
            alive ? base + now_[static_cast<size_t>(Cells(n, a, k, from, to))] : kNever;
      }
    }
  }
}

void LevelTable::AddUse(int n, int a, int k, int from, int to, Use& use) const {
  const int64_t cells = Cells(n, a, k, from, to) + 1;
  const double memory = prices_.Memory(n);
  std::vector<double> value(static_cast<size_t>(cells), 0.0), next(value.size());
  std::vector<signed char> taken(value.size() * static_cast<size_t>(k), -1);
  for (int i = k - 1; i >= 0; --i) {
    const auto& items = in_.Items(a + i, n);
    std::fill(next.begin(), next.end(), kNever);
    signed char* best = &taken[static_cast<size_t>(i) * value.size()];
    for (size_t t = 0; t < items.size(); ++t) {
      const double priced =
          items[t].cost + prices_.mu * items[t].loss + memory * static_cast<double>(items[t].excess);
      for (int64_t c = items[t].cells; c < cells; ++c) {
        const double candidate = value[static_cast<size_t>(c - items[t].cells)] + priced;
        if (candidate < next[static_cast<size_t>(c)]) {
          next[static_cast<size_t>(c)] = candidate;
          best[c] = static_cast<signed char>(t);
        }
      }
    }
    value.swap(next);
  }
  use.bytes += in_.stage[static_cast<size_t>(n)] + in_.LeastBytes(n, a, a + k);
  int64_t left = cells - 1;
  for (int i = 0; i < k; ++i) {
    const int t = taken[static_cast<size_t>(i) * value.size() + static_cast<size_t>(left)];
    const Item& item = in_.Items(a + i, n)[static_cast<size_t>(t)];
    left -= item.cells;
    use.loss += item.loss;
    use.bytes += item.excess;
    use.types.push_back(item.type);
  }
}

}  // namespace dilemma
