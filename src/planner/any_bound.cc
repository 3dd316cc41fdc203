#include "planner/any_bound.h"

#include <algorithm>
#include <cmath>

#include "planner/price_bundle.h"

namespace dilemma {
namespace {

constexpr double kShave = 1e-11;
constexpr double kWorthwhile = 1e-5;  // growth of the bound that is worth another step

}  // namespace

AnyBound::AnyBound(const BlockInstance& instance, int levels, PathEnds ends, Found found,
                   std::function<bool()> stop)
    : in_(instance),
      ends_(std::move(ends)),
      found_(std::move(found)),
      stop_(std::move(stop)),
      table_(instance, levels),
      memory_(instance.servers, levels),
      paths_(instance, memory_) {
  prices_.memory.assign(static_cast<size_t>(in_.servers), 0.0);
}

double AnyBound::ConstantOf(const BlockPrices& prices) const {
  double sum = in_.has_budget ? prices.mu : 0;
  for (int n = 0; n < in_.servers; ++n)
    sum += prices.Memory(n) * static_cast<double>(in_.memory[static_cast<size_t>(n)]);
  return sum;
}

// One unit of a price is what the whole memory of a server, or the whole budget, costs.
BlockPrices AnyBound::PricesAt(const std::vector<double>& point) const {
  BlockPrices prices;
  for (size_t n = 0; n + 1 < point.size(); ++n)
    prices.memory.push_back(point[n] / static_cast<double>(in_.memory[n]));
  prices.mu = in_.has_budget ? point.back() : 0;
  return prices;
}

bool AnyBound::Run(int iterations, double gain) {
  const auto N = static_cast<size_t>(in_.servers);
  std::vector<double> point;
  for (size_t n = 0; n < N; ++n) point.push_back(prices_.memory[n] * static_cast<double>(in_.memory[n]));
  point.push_back(prices_.mu);
  PriceBundle bundle(std::vector<double>(N + 1, 1.0));
  std::vector<Met> met;  // by the tags of the bundle's cuts
  for (int i = 0; i < iterations; ++i) {
    const BlockPrices now = PricesAt(point);
    table_.Compute(now);
    const double least = paths_.Solve(table_, ends_);
    if (least == kNever) return false;
    const double value = least - ConstantOf(now) - kShave * (std::abs(least) + ConstantOf(now));
    if (value > bound_) {
      bound_ = value;
      prices_ = now;
    }
    std::vector<double> slope(N + 1, 0.0);
    met.push_back({paths_.Trace(), {}});
    UsePath(met.back(), slope);
    bundle.Add(point, value, slope, i);
    if (i == 0) bundle.Restart(point, value, slope, gain);
    point = bundle.Next();
    if (stop_() || bundle.promised() <= kWorthwhile * std::abs(bound_)) break;
  }
  met_.clear();
  for (const int tag : bundle.ActiveTags()) met_.push_back(met[static_cast<size_t>(tag)]);
  return true;
}

// How far a path is from the limits, relative; whoever looks for plans sees it.
void AnyBound::UsePath(Met& met, std::vector<double>& slope) const {
  const auto N = static_cast<size_t>(in_.servers);
  std::vector<int64_t> bytes(N, 0);
  std::vector<int> types, servers;
  double loss = 0;
  for (const LevelBlock& block : met.path) {
    LevelTable::Use use;
    table_.AddUse(block.server, block.first, block.length, block.from, block.to, use);
    loss += use.loss;
    bytes[static_cast<size_t>(block.server)] += use.bytes;
    types.insert(types.end(), use.types.begin(), use.types.end());
    servers.insert(servers.end(), static_cast<size_t>(block.length), block.server);
  }
  found_(servers, types);
  for (size_t n = 0; n < N; ++n) {
    slope[n] = static_cast<double>(bytes[n]) / static_cast<double>(in_.memory[n]) - 1;
    met.full.push_back(bytes[n] > in_.memory[n]);
  }
  slope[N] = in_.has_budget ? loss - 1 : 0;
}

bool AnyBound::Widen(int most) {
  bool grew = false;
  for (const Met& met : met_) grew = memory_.Remember(met.path, met.full, most) || grew;
  met_.clear();
  return grew;
}

void AnyBound::Settle() {
  table_.Compute(prices_);
  paths_.Solve(table_, ends_);
}

}  // namespace dilemma
