#include "planner/block_types.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr int kSteps = 12;
constexpr double kLossTolerance = 1e-10;

}  // namespace

// A knapsack over cells with the excesses rounded up: what it takes fits.
void TypeChooser::AtBlock(const Block& block, double mu, Chosen& chosen) {
  const int n = block.server, cells = in_.SlackCells(n, block.first, block.first + block.length) + 1;
  const int64_t cell = in_.cell[static_cast<size_t>(n)];
  value_.assign(static_cast<size_t>(cells), 0.0);
  item_.assign(static_cast<size_t>(cells) * static_cast<size_t>(block.length), -1);
  std::vector<double> next(static_cast<size_t>(cells));
  for (int i = block.length - 1; i >= 0; --i) {
    const auto& items = in_.Items(block.first + i, n);
    std::fill(next.begin(), next.end(), kNever);
    signed char* taken = &item_[static_cast<size_t>(i) * static_cast<size_t>(cells)];
    for (size_t t = 0; t < items.size(); ++t) {
      const int64_t shift = (items[t].excess + cell - 1) / cell;
      const double priced = items[t].cost + mu * items[t].loss;
      for (int64_t c = shift; c < cells; ++c) {
        const double value = value_[static_cast<size_t>(c - shift)] + priced;
        if (value < next[static_cast<size_t>(c)]) {
          next[static_cast<size_t>(c)] = value;
          taken[c] = static_cast<signed char>(t);
        }
      }
    }
    value_.swap(next);
  }
  int64_t left = cells - 1;
  double busy = 0;
  for (int i = 0; i < block.length; ++i) {
    const int t = item_[static_cast<size_t>(i) * static_cast<size_t>(cells) + static_cast<size_t>(left)];
    if (t < 0) {
      chosen.cost = kNever;
      return;
    }
    const Item& item = in_.Items(block.first + i, n)[static_cast<size_t>(t)];
    left -= (item.excess + cell - 1) / cell;
    chosen.cost += item.cost;
    chosen.loss += item.loss;
    busy += item.busy;
    chosen.items.push_back(t);
  }
  if (busy > in_.busy_limit[static_cast<size_t>(n)]) chosen.cost = kNever;
}

TypeChooser::Chosen TypeChooser::At(double mu) {
  Chosen chosen;
  chosen.cost = 0;
  for (const Block& block : path_) {
    AtBlock(block, mu, chosen);
    if (chosen.cost == kNever) break;
  }
  return chosen;
}

std::vector<int> TypeChooser::TypesOf(const Chosen& chosen) const {
  std::vector<int> types;
  for (const Block& block : path_)
    for (int i = 0; i < block.length; ++i)
      types.push_back(
          in_.Items(block.first + i, block.server)[static_cast<size_t>(chosen.items[types.size()])].type);
  return types;
}

double TypeChooser::Choose(double mu, double limit, std::vector<int>& types) {
  Chosen best;
  const auto feasible = [](const Chosen& c) { return c.cost != kNever && c.loss <= 1 + kLossTolerance; };
  Chosen here = At(mu);
  if (here.cost + mu * (here.loss - 1) >= limit) return kNever;  // so will any types within the budget
  if (feasible(here)) best = here;
  if (in_.has_budget && here.cost != kNever) {
    double low = feasible(here) ? mu * 0.25 : std::max(mu, 1e-12);
    double high = feasible(here) ? std::max(mu, 1e-12) : std::max(mu, 1e-12) * 16;
    if (!feasible(here)) {
      here = At(high);
      if (!feasible(here)) return kNever;
      if (here.cost < best.cost) best = here;
    }
    for (int i = 0; i < kSteps && low > 0; ++i) {
      const double middle = std::sqrt(low * high);
      here = At(middle);
      if (feasible(here)) {
        if (here.cost < best.cost) best = here;
        high = middle;
      } else {
        low = middle;
      }
    }
  }
  if (best.cost >= limit) return kNever;
  types = TypesOf(best);
  return best.cost;
}

}  // namespace dilemma
