#include "planner/block_bound.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "planner/block_beam.h"
#include "planner/block_orders.h"
#include "planner/block_types.h"

namespace dilemma {
namespace {

constexpr double kShave = 1e-11;  // rounding errors of the sums that make a bound, relative
constexpr int kBeginEvaluations = 10, kBeginIterations = 20;
constexpr int kRounds = 4, kWidenIterations = 20;
constexpr int kCycleEvaluations = 4, kCycleIterations = 20;
constexpr double kWorthwhile = 2e-4;  // growth of the bound by which a cycle was worth it
constexpr double kMuClose = 1.004;    // prices this near to each other need no one between
constexpr int kOrderAttempts = 4;     // while there is no plan: orders that care more and more for quality
constexpr double kOrderMuStep = 4;
constexpr int kMostEvaluations = 10000;
constexpr int kMostServers = 64;  // a beam's label remembers its servers in one word
constexpr int kRecuts = 8;
constexpr double kRecutStep = 1.5;

}  // namespace

std::vector<double> Prices::OfBlocks() const {
  std::vector<double> of = pi;
  for (double& price : of) price += kappa;
  return of;
}

BlockBound::BlockBound(const BlockInstance& instance, BlockTable& table, Incumbent& incumbent,
                       std::function<bool()> stop)
    : in_(instance), table_(table), incumbent_(incumbent), stop_(std::move(stop)), near_(instance.servers) {
  prices_.pi.assign(static_cast<size_t>(in_.servers), 0.0);
  current_ = prices_;
}

double BlockBound::Constant(const Prices& prices) const {
  return std::accumulate(prices.pi.begin(), prices.pi.end(), 0.0) + prices.kappa * in_.max_blocks +
         (in_.has_budget ? prices.mu : 0);
}

double BlockBound::Improve(const PathEnds& ends, Prices& prices, int iterations) {
  NgPaths paths(in_, near_);
  Prices now = prices;
  double best = -kNever, step_size = 1;
  double kappa_direction = 0;
  std::vector<double> direction(static_cast<size_t>(in_.servers), 0.0);
  int since = 0;
  for (int i = 0; i < iterations; ++i) {
    const double least = paths.Solve(table_, ends, now.OfBlocks());
    if (least == kNever) return kNever;
    const double value = (least - Constant(now)) - kShave * std::abs(least);
    const std::vector<Block> path = paths.Trace();
    if (value > best + 1e-8 * std::abs(best) || best == -kNever) {
      best = value;
      prices = now;
      path_ = path;
      since = 0;
    } else if (++since >= 8) {
      step_size *= 0.6;
      since = 0;
      now = prices;
      std::fill(direction.begin(), direction.end(), 0.0);
      if (step_size < 0.005) break;
      continue;
    }
    TryPath(path, table_.mu());
    std::vector<int> visits(static_cast<size_t>(in_.servers), 0);
    for (const Block& block : path) ++visits[static_cast<size_t>(block.server)];
    double norm = 0;
    for (size_t n = 0; n < visits.size(); ++n) {
      const bool idle = visits[n] == 0 && now.pi[n] <= 0;
      direction[n] = (idle ? 0 : visits[n] - 1) + 0.3 * direction[n];
      norm += direction[n] * direction[n];
    }
    const int over = static_cast<int>(path.size()) - in_.max_blocks;
    kappa_direction = (over < 0 && now.kappa <= 0 ? 0 : over) + 0.3 * kappa_direction;
    norm += kappa_direction * kappa_direction;
    if (norm < 1e-12 || stop_()) break;
    const double target = std::min(incumbent_.cost, std::max(estimate_, value * 1.02));
    const double step = step_size * std::max(target - value, 1e-3 * std::abs(value)) / norm;
    for (size_t n = 0; n < visits.size(); ++n) now.pi[n] = std::max(0.0, now.pi[n] + step * direction[n]);
    now.kappa = std::max(0.0, now.kappa + step * kappa_direction);
  }
  return best;
}

double BlockBound::Evaluate(double mu, int iterations) {
  table_.Compute(mu);
  current_.mu = mu;
  const double value = Improve(ends_, current_, iterations);
  if (value > bound_) {
    bound_ = value;
    prices_ = current_;
    best_path_ = path_;
  }
  return value;
}

// The bound is concave in mu and its slope is what the best path loses beyond the budget: brackets the zero
// of the slope, then interpolates.
void BlockBound::SearchMu(double mu, double factor, int evaluations, int iterations) {
  double low = 0, high = kNever, low_slope = 0, high_slope = 0;
  for (int i = 0; i < evaluations && !stop_(); ++i) {
    Evaluate(mu, iterations);
    const double slope = TypeChooser(in_, path_).LossAt(mu) - 1;
    if (slope > 0) {
      low = mu;
      low_slope = slope;
    } else {
      high = mu;
      high_slope = slope;
    }
    if (low == 0 || high == kNever) {
      mu = slope > 0 ? mu * factor : mu / factor;
      continue;
    }
    if (high < low * kMuClose) break;
    const double share = std::clamp(low_slope / (low_slope - high_slope), 0.15, 0.85);
    mu = std::exp(std::log(low) + share * (std::log(high) - std::log(low)));
  }
}

bool BlockBound::Widen(int most) {
  bool grew = false;
  for (int round = 0; round < kRounds && !stop_(); ++round) {
    NgPaths paths(in_, near_);
    table_.Compute(prices_.mu);
    paths.Solve(table_, ends_, prices_.OfBlocks());
    if (!near_.Forbid(paths.Trace(), most)) break;
    grew = true;
    current_ = prices_;
    Evaluate(prices_.mu, kWidenIterations);
  }
  return grew;
}

bool BlockBound::Begin(const PathEnds& ends) {
  ends_ = ends;
  table_.Compute(0);
  NgPaths paths(in_, near_);
  const double base = paths.Solve(table_, ends, current_.OfBlocks());
  if (base == kNever) return false;
  estimate_ = base * 1.5 + TypicalCost() * 0.1;
  bound_ = -kNever;
  Evaluate(0, in_.has_budget ? 1 : kBeginIterations * 2);
  if (in_.has_budget) SearchMu(estimate_ * 0.1, 3, kBeginEvaluations, kBeginIterations);
  return true;
}

bool BlockBound::Cycle(int most) {
  const double before = bound_;
  current_ = prices_;
  const bool grew = Widen(most);
  if (in_.has_budget && prices_.mu > 0) {
    current_ = prices_;
    SearchMu(prices_.mu, 1 + reach_, kCycleEvaluations, kCycleIterations);
    reach_ = std::max(0.02, reach_ * 0.6);
  }
  current_ = prices_;
  table_.Compute(prices_.mu);
  return grew || bound_ - before > kWorthwhile * std::abs(bound_);
}

double BlockBound::TypicalCost() const {
  double sum = 0;
  for (int u = 0; u < in_.units; ++u) {
    double most = 0;
    for (int n = 0; n < in_.servers; ++n)
      for (const Item& item : in_.Items(u, n)) most = std::max(most, item.cost);
    sum += most;
  }
  return sum / 2;
}

void BlockBound::SearchOrders(int sweeps, uint64_t seed) {
  if (in_.servers < 2) return;
  const int evaluations = std::min(sweeps * 2 * in_.servers * in_.servers, kMostEvaluations);
  double mu = prices_.mu;
  for (int attempt = 0; attempt < kOrderAttempts && !stop_(); ++attempt, mu *= kOrderMuStep) {
    table_.Compute(mu);
    OrderSearch search(in_, table_);
    std::vector<int> order = OrderOf(best_path_, in_.servers);
    if (!order_.empty() && search.Cost(order_) < search.Cost(order)) order = order_;
    search.Improve(order, evaluations, seed, stop_);
    order_ = order;
    Recut(order, mu);
    if (incumbent_.cost != kNever || !in_.has_budget || mu <= 0) break;
  }
  table_.Compute(prices_.mu);
}

void BlockBound::Dive(size_t width, double gap) {
  table_.Compute(prices_.mu);
  NgPaths paths(in_, near_);
  const std::vector<double> price = prices_.OfBlocks();
  paths.Solve(table_, ends_, price);
  BeamQuery query;
  query.width = width;
  query.cutoff = incumbent_.cost + Constant(prices_);
  const double before = incumbent_.cost;
  std::vector<int> best;
  std::vector<std::vector<Block>> found;
  if (in_.servers <= kMostServers) found = BeamPaths(in_, table_, ends_, price, near_, paths, query);
  for (const std::vector<Block>& path : found) {
    const double known = incumbent_.cost;
    TryPath(path, prices_.mu);
    if (best.empty() || incumbent_.cost < known) best = OrderOf(path, in_.servers);
  }
  // Cuts at other prices are tried where the paths are new.
  if (!best.empty() && best != recut_ && !stop_()) {
    recut_ = best;
    Recut(best, prices_.mu);
    table_.Compute(prices_.mu);
    if (incumbent_.cost < before) order_ = best;
  }
  DropBlocks(paths, gap);
}

void BlockBound::DropBlocks(const NgPaths& completion, double gap) {
  if (incumbent_.cost == kNever) return;
  NgPaths arrival(in_, near_, true);
  const std::vector<double> price = prices_.OfBlocks();
  arrival.Solve(table_, ends_, price);
  const double limit = incumbent_.cost * (1 - gap) + Constant(prices_);
  for (int n = 0; n < in_.servers; ++n) {
    for (int a = 0; a < in_.units; ++a) {
      const double before = arrival.Completion(in_.units - a, n, 0) + price[static_cast<size_t>(n)];
      for (int k = 1; k <= in_.MaxLength(n, a); ++k) {
        const double through = before + table_.Cost(n, a, k) + completion.Completion(a + k, n, 0);
        if (through * (1 - kShave) >= limit) table_.Drop(n, a, k);
      }
    }
  }
}

// The best cuts of an order at prices around `mu`, until they just keep the budget.
void BlockBound::Recut(const std::vector<int>& order, double mu) {
  double low = 0, high = kNever;
  for (int i = 0; i < kRecuts && !stop_(); ++i) {
    if (table_.mu() != mu) table_.Compute(mu);
    const std::vector<Block> path = OrderSearch(in_, table_).Path(order);
    if (path.empty()) return;
    TryPath(path, mu);
    if (!in_.has_budget || mu <= 0) return;
    (TypeChooser(in_, path).LossAt(mu) > 1 ? low : high) = mu;
    if (high < low * kMuClose) return;
    mu = high == kNever ? low * kRecutStep : low == 0 ? high / kRecutStep : std::sqrt(low * high);
  }
}

double BlockBound::PathCost(const std::vector<Block>& path) const {
  double cost = in_.first[static_cast<size_t>(path.front().server)] +
                in_.last[static_cast<size_t>(path.back().server)] +
                in_.Ring(path.back().server, path.front().server);
  for (size_t i = 1; i < path.size(); ++i) cost += in_.Hop(path[i - 1].server, path[i].server);
  return cost;
}

void BlockBound::TryPath(const std::vector<Block>& path, double mu) {
  if (static_cast<int>(path.size()) > in_.max_blocks) return;
  std::vector<char> used(static_cast<size_t>(in_.servers), 0);
  for (const Block& block : path) {
    if (used[static_cast<size_t>(block.server)] || block.length == 0) return;
    used[static_cast<size_t>(block.server)] = 1;
  }
  TypeChooser chooser(in_, path);
  std::vector<int> types;
  const double cost = chooser.Choose(mu, incumbent_.cost - PathCost(path), types);
  if (cost == kNever || cost + PathCost(path) >= incumbent_.cost) return;
  incumbent_.cost = cost + PathCost(path);
  incumbent_.type = std::move(types);
  incumbent_.server.clear();
  for (const Block& block : path)
    incumbent_.server.insert(incumbent_.server.end(), static_cast<size_t>(block.length), block.server);
}

}  // namespace dilemma
