#include "planner/level_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "planner/min_plus.h"

namespace dilemma {
namespace {

constexpr double kFinest = 1 << 29;  // a server's dearest block in whole numbers

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
  }
  int shift = 0;
  size_t priced = 0;
  for (const auto& items : in_.items) {
    priced_row_.push_back(priced);
    priced += items.size();
    for (const Item& item : items) shift = std::max(shift, item.cells);
  }
  priced_.resize(priced);
  pad_ = static_cast<size_t>(shift);
  now_.assign(pad_ + static_cast<size_t>(cells) + 1 + kCellPadding, kNoSum);
  next_ = now_;
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

// Priced costs become whole multiples of a server's grain, rounded down: what comes out is a lower bound.
void LevelTable::Compute(const BlockPrices& prices) {
  prices_ = prices;
  const auto priced = [&](const Item& item, int n) {
    return item.cost + prices.mu * item.loss + prices.Memory(n) * static_cast<double>(item.excess);
  };
  for (int n = 0; n < in_.servers; ++n) {
    double dearest = 1e-290;
    for (int u = 0; u < in_.units; ++u)
      for (const Item& item : in_.Items(u, n)) dearest = std::max(dearest, priced(item, n));
    const double grain = dearest * std::max(1, longest_[static_cast<size_t>(n)]) / kFinest;
    for (int u = 0; u < in_.units; ++u) {
      size_t at = priced_row_[static_cast<size_t>(u) * in_.servers + n];
      for (const Item& item : in_.Items(u, n))
        priced_[at++] = {item.cells, static_cast<int32_t>(std::floor(priced(item, n) / grain))};
    }
    for (int a = 0; a < in_.units; ++a) ComputeRows(n, a, grain);
  }
}

void LevelTable::ComputeRows(int n, int a, double grain) {
  const int length = in_.MaxLength(n, a);
  if (length == 0) return;
  const double memory = prices_.Memory(n);
  std::fill_n(now_.begin() + static_cast<std::ptrdiff_t>(pad_),
              in_.SlackCells(n, a, a + 1) + 1 + kCellPadding, 0);
  for (int k = 1; k <= length; ++k) {
    const size_t un = static_cast<size_t>(a + k - 1) * in_.servers + n;
    RelaxCells(&now_[pad_], &next_[pad_], &priced_[priced_row_[un]], static_cast<int>(in_.items[un].size()),
               in_.SlackCells(n, a, a + k) + 1);
    now_.swap(next_);
    const double base =
        memory * static_cast<double>(in_.LeastBytes(n, a, a + k) + in_.stage[static_cast<size_t>(n)]);
    for (int from = 0; from < levels_; ++from) {
      for (int to = from; to < levels_; ++to) {
        if (k > Length(n, a, from, to)) continue;
        cost_[RowAt(n, a, from, to) + static_cast<size_t>(k)] =
            base + grain * now_[pad_ + static_cast<size_t>(Cells(n, a, k, from, to))];
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
