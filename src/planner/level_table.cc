#include "planner/level_table.h"

#include <algorithm>
#include <limits>

namespace dilemma {
namespace {

// The least that a block takes on n: where less is left, the server is full.
int64_t LeastBlock(const BlockInstance& in, int n) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int u = 0; u < in.units; ++u)
    if (!in.Items(u, n).empty()) least = std::min(least, in.LeastBytes(n, u, u + 1));
  return least + in.stage[static_cast<size_t>(n)];
}

}  // namespace

LevelTable::LevelTable(const BlockInstance& instance, int levels)
    : in_(instance),
      levels_(levels),
      pairs_(static_cast<size_t>(levels) * static_cast<size_t>(levels)),
      cells_(instance) {
  size_t size = 0;
  for (int n = 0; n < in_.servers; ++n) {
    const int64_t memory = in_.memory[static_cast<size_t>(n)];
    // The last level is "full"; the others divide what is below it.
    const int64_t full = std::max<int64_t>(0, memory - LeastBlock(in_, n) + 1);
    for (int i = 0; i < levels_; ++i)
      threshold_.push_back(i + 1 == levels_ && levels_ > 1 ? full : full * i / std::max(1, levels_ - 1));
    const int64_t* at = &threshold_[static_cast<size_t>(n) * levels_];
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
  }
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
  cells_.Price(prices);
  for (int n = 0; n < in_.servers; ++n)
    for (int a = 0; a < in_.units; ++a) ComputeRows(n, a);
}

void LevelTable::ComputeRows(int n, int a) {
  const int length = in_.MaxLength(n, a);
  if (length == 0) return;
  const double memory = prices_.Memory(n), grain = cells_.Grain(n);
  cells_.Start(in_.SlackCells(n, a, a + 1));
  for (int k = 1; k <= length; ++k) {
    cells_.Add(a + k - 1, n, in_.SlackCells(n, a, a + k));
    const double base =
        memory * static_cast<double>(in_.LeastBytes(n, a, a + k) + in_.stage[static_cast<size_t>(n)]);
    for (int from = 0; from < levels_; ++from) {
      for (int to = from; to < levels_; ++to) {
        if (k > Length(n, a, from, to)) continue;
        cost_[RowAt(n, a, from, to) + static_cast<size_t>(k)] =
            base + grain * cells_.Sum(static_cast<int>(Cells(n, a, k, from, to)));
      }
    }
  }
}

void LevelTable::AddUse(int n, int a, int k, int from, int to, Use& use) const {
  const int64_t cells = Cells(n, a, k, from, to) + 1;
  std::vector<double> value(static_cast<size_t>(cells), 0.0), next(value.size());
  std::vector<signed char> taken(value.size() * static_cast<size_t>(k), -1);
  for (int i = k - 1; i >= 0; --i) {
    const auto& items = in_.Items(a + i, n);
    std::fill(next.begin(), next.end(), kNever);
    signed char* best = &taken[static_cast<size_t>(i) * value.size()];
    for (size_t t = 0; t < items.size(); ++t) {
      const double priced = prices_.Of(items[t], n);
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
