#include "planner/priced_cells.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dilemma {
namespace {

constexpr double kFinest = 1 << 29;  // a server's dearest block in whole numbers

}  // namespace

PricedCells::PricedCells(const BlockInstance& instance)
    : in_(instance),
      longest_(static_cast<size_t>(instance.servers), 0),
      grain_(static_cast<size_t>(instance.servers), 0.0) {
  int cells = 0, shift = 0;
  for (int n = 0; n < in_.servers; ++n) {
    int& longest = longest_[static_cast<size_t>(n)];
    for (int a = 0; a < in_.units; ++a) {
      longest = std::max(longest, in_.MaxLength(n, a));
      if (in_.MaxLength(n, a) > 0) cells = std::max(cells, in_.SlackCells(n, a, a + 1));
    }
  }
  size_t priced = 0;
  for (const auto& items : in_.items) {
    row_.push_back(priced);
    priced += items.size();
    for (const Item& item : items) shift = std::max(shift, item.cells);
  }
  priced_.resize(priced);
  pad_ = static_cast<size_t>(shift);
  now_.assign(pad_ + static_cast<size_t>(cells) + 1 + kCellPadding, kNoSum);
  next_ = now_;
}

void PricedCells::Price(const BlockPrices& prices) {
  for (int n = 0; n < in_.servers; ++n) {
    double dearest = 1e-290;
    for (int u = 0; u < in_.units; ++u)
      for (const Item& item : in_.Items(u, n)) dearest = std::max(dearest, prices.Of(item, n));
    grain_[static_cast<size_t>(n)] = dearest * std::max(1, Longest(n)) / kFinest;
  }
  size_t at = 0;
  for (size_t un = 0; un < in_.items.size(); ++un) {
    const int n = static_cast<int>(un % static_cast<size_t>(in_.servers));
    for (const Item& item : in_.items[un])
      priced_[at++] = {item.cells, static_cast<int32_t>(std::floor(prices.Of(item, n) / Grain(n)))};
  }
}

void PricedCells::Start(int cells) {
  std::fill_n(now_.begin() + static_cast<std::ptrdiff_t>(pad_), cells + 1 + kCellPadding, 0);
}

void PricedCells::Add(int u, int n, int cells) {
  const size_t un = static_cast<size_t>(u) * in_.servers + n;
  RelaxCells(&now_[pad_], &next_[pad_], &priced_[row_[un]], static_cast<int>(in_.items[un].size()),
             cells + 1);
  now_.swap(next_);
}

}  // namespace dilemma
