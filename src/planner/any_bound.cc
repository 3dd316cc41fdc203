#include "planner/any_bound.h"

#include <algorithm>
#include <cmath>

#include "planner/block_types.h"

namespace dilemma {
namespace {

constexpr double kShave = 1e-11;
constexpr int kPatience = 12;
constexpr double kSmallestStep = 2e-3;

}  // namespace

AnyBound::AnyBound(const BlockInstance& instance, BlockTable& table, PathEnds ends)
    : in_(instance), table_(table), ends_(std::move(ends)), near_(instance.servers), paths_(instance, near_) {
  no_price_.assign(static_cast<size_t>(in_.servers), 0.0);
  prices_.memory = no_price_;
}

double AnyBound::ConstantOf(const BlockPrices& prices) const {
  double sum = in_.has_budget ? prices.mu : 0;
  for (int n = 0; n < in_.servers; ++n)
    sum += prices.Memory(n) * static_cast<double>(in_.memory[static_cast<size_t>(n)]);
  return sum;
}

bool AnyBound::Run(int iterations, double target, const Found& found, const std::function<bool()>& stop) {
  BlockPrices now = prices_;
  const auto N = static_cast<size_t>(in_.servers);
  std::vector<double> direction(N + 1, 0.0);
  double step_size = 1;
  int since = 0;
  for (int i = 0; i < iterations; ++i) {
    table_.Compute(now);
    const double least = paths_.Solve(table_, ends_, no_price_);
    if (least == kNever) return false;
    const double value = least - ConstantOf(now) - kShave * (std::abs(least) + ConstantOf(now));
    if (value > bound_ + 1e-8 * std::abs(bound_) || bound_ == -kNever) {
      bound_ = value;
      prices_ = now;
      since = 0;
    } else if (++since >= kPatience) {
      step_size *= 0.6;
      since = 0;
      now = prices_;
      std::fill(direction.begin(), direction.end(), 0.0);
      if (step_size < kSmallestStep || stop()) break;
      continue;
    }
    const std::vector<Block> path = paths_.Trace();
    std::vector<int64_t> bytes;
    std::vector<int> types, servers;
    const double loss = TypeChooser(in_, path).UseAt(now, bytes, types);
    for (const Block& block : path)
      servers.insert(servers.end(), static_cast<size_t>(block.length), block.server);
    if (types.size() == servers.size()) found(servers, types);
    double norm = 0;
    const auto turn = [&](size_t i_price, double slope, double price) {
      if (slope < 0 && price <= 0) slope = 0;
      direction[i_price] = slope + 0.3 * direction[i_price];
      norm += direction[i_price] * direction[i_price];
    };
    for (size_t n = 0; n < N; ++n)
      turn(n, static_cast<double>(bytes[n]) / static_cast<double>(in_.memory[n]) - 1, now.memory[n]);
    turn(N, in_.has_budget ? loss - 1 : 0, now.mu);
    if (norm < 1e-14 || stop()) break;
    const double aim = std::max(target, value * 1.01);
    const double step = step_size * std::max(aim - value, 1e-4 * std::abs(value)) / norm;
    for (size_t n = 0; n < N; ++n)
      now.memory[n] = std::max(0.0, now.memory[n] + step * direction[n] / static_cast<double>(in_.memory[n]));
    now.mu = std::max(0.0, now.mu + step * direction[N]);
  }
  table_.Compute(prices_);
  paths_.Solve(table_, ends_, no_price_);
  return true;
}

}  // namespace dilemma
