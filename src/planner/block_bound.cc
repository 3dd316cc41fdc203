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
constexpr int kBracket = 6, kBeginEvaluations = 16, kBeginEvaluationsEach = 4;  // each: for each server
constexpr double kMuStep = 3;
constexpr int kRounds = 4, kWidenEvaluations = 20;
constexpr double kMuScale = 3;      // loss follows its price less steeply than servers follow theirs
constexpr double kFirstGain = 0.5;  // share of the distance to the optimum that a first step is meant to gain
constexpr double kPromise = 5e-5;   // of the bound: less is not worth an evaluation
constexpr int kBranchStep = 8;      // evaluations between two looks whether a branch's bound is enough
constexpr double kBranchPromise = 3e-4;
constexpr double kWorthwhile = 2e-4;  // growth of the bound by which a cycle was worth it
constexpr double kMuClose = 1.004;    // prices this near to each other need no one between
constexpr int kOrderAttempts = 4;     // while there is no plan: orders that care more and more for quality
constexpr double kOrderMuStep = 4;
constexpr int kMostEvaluations = 10000;
constexpr int kMostServers = 64;  // a beam's label remembers its servers in one word
constexpr int kRecuts = 8;
constexpr double kRecutStep = 1.5;

std::vector<double> Scale(int servers) {
  std::vector<double> scale(static_cast<size_t>(servers) + 2, 1.0);
  scale[0] = kMuScale;
  return scale;
}

// As the bundle has them.
std::vector<double> VectorOf(const Prices& prices) {
  std::vector<double> all{prices.mu};
  all.insert(all.end(), prices.pi.begin(), prices.pi.end());
  all.push_back(prices.kappa);
  return all;
}

Prices PricesOf(const std::vector<double>& all) {
  return {all.front(), all.back(), std::vector<double>(all.begin() + 1, all.end() - 1)};
}

}  // namespace

std::vector<double> Prices::OfBlocks() const {
  std::vector<double> of = pi;
  for (double& price : of) price += kappa;
  return of;
}

BlockBound::BlockBound(const BlockInstance& instance, BlockTable& table, Incumbent& incumbent,
                       std::function<bool()> stop)
    : in_(instance), table_(table), incumbent_(incumbent), stop_(std::move(stop)), near_(instance.servers) {}

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

BlockBound::Ascent::Ascent(const BlockInstance& in, const Neighbourhoods& near, PathEnds where)
    : ends(std::move(where)), paths(in, near), bundle(Scale(in.servers)) {
  prices.pi.assign(static_cast<size_t>(in.servers), 0.0);
}

// The bound at these prices, where its slope is what the best path takes too much of each priced thing.
double BlockBound::Evaluate(Ascent& ascent, const Prices& prices) {
  if (table_.mu() != prices.mu) table_.Compute(prices.mu);
  const double least = ascent.paths.Solve(table_, ascent.ends, prices.OfBlocks());
  if (least == kNever) return ascent.bound = kNever;  // every block that a better plan needs is gone
  const double value = (least - Constant(prices)) - kShave * std::abs(least);
  const std::vector<Block> path = ascent.paths.Trace();
  ascent.slope.assign(static_cast<size_t>(in_.servers) + 2, -1.0);
  ascent.slope[0] = in_.has_budget ? TypeChooser(in_, path).LossAt(prices.mu) - 1 : 0;
  for (const Block& block : path) ascent.slope[static_cast<size_t>(block.server) + 1] += 1;
  ascent.slope.back() = static_cast<double>(path.size()) - in_.max_blocks;
  ascent.bundle.Add(VectorOf(prices), value, ascent.slope, static_cast<int>(ascent.cut_paths.size()));
  ascent.cut_paths.push_back(path);
  TryPath(path, prices.mu);
  if (value > ascent.bound) {
    ascent.bound = value;
    ascent.prices = prices;
    ascent.best_path = path;
  }
  return value;
}

// A price on loss to begin with: between one at which the best path loses too much and one at which it does
// not.
void BlockBound::BracketMu(Ascent& ascent, double mu, int evaluations) {
  double low = 0, high = kNever;
  Prices prices = ascent.prices;
  for (int i = 0; i < evaluations && !stop_() && !(high < low * kMuClose); ++i) {
    prices.mu = mu;
    if (Evaluate(ascent, prices) == kNever) return;
    (ascent.slope[0] > 0 ? low : high) = mu;
    mu = high == kNever ? mu * kMuStep : low == 0 ? mu / kMuStep : std::sqrt(low * high);
  }
}

// From the best prices, where memory that grew and blocks that went may have raised the bound, until a step
// promises less than this share of it.
void BlockBound::Climb(Ascent& ascent, int evaluations, double worthwhile) {
  const Prices start = ascent.prices;
  const double value = Evaluate(ascent, start);
  if (value == kNever) return;
  const double target = std::min(incumbent_.cost, std::max(estimate_, value * 1.02));
  ascent.bundle.Restart(VectorOf(start), value, ascent.slope,
                        kFirstGain * std::max(target - value, 1e-3 * std::abs(value)));
  for (int i = 0; i < evaluations && !stop_(); ++i) {
    const Prices next = PricesOf(ascent.bundle.Next());
    if (ascent.bundle.promised() < worthwhile * std::abs(ascent.bound) || Evaluate(ascent, next) == kNever)
      break;
  }
}

double BlockBound::ImproveAll(const PathEnds& ends, Prices& prices, int evaluations, double enough) {
  Ascent ascent(in_, near_, ends);
  ascent.prices = prices;
  for (int done = 0; done < evaluations && ascent.bound < enough && !stop_(); done += kBranchStep)
    Climb(ascent, kBranchStep, kBranchPromise);
  prices = ascent.prices;
  return ascent.bound;
}

// Servers that the paths at the best prices visit twice are remembered in between.
bool BlockBound::Widen(int most) {
  bool grew = false;
  const auto path_of = [&](int tag) -> const std::vector<Block>& {
    return main_->cut_paths[static_cast<size_t>(tag)];
  };
  for (int round = 0; round < kRounds && !stop_(); ++round) {
    bool changed = near_.Forbid(main_->best_path, most);
    for (const int tag : main_->bundle.ActiveTags()) changed |= near_.Forbid(path_of(tag), most);
    if (!changed) break;
    grew = true;
    main_->bundle.Forget([&](int tag) { return !near_.Allows(path_of(tag)) || UsesDropped(path_of(tag)); });
    Climb(*main_, kWidenEvaluations, kPromise);
  }
  return grew;
}

bool BlockBound::UsesDropped(const std::vector<Block>& path) const {
  return std::any_of(path.begin(), path.end(), [&](const Block& block) {
    return table_.Cost(block.server, block.first, block.length) == kNever;
  });
}

bool BlockBound::Begin(const PathEnds& ends) {
  main_ = std::make_unique<Ascent>(in_, near_, ends);
  table_.Compute(0);
  const double base = main_->paths.Solve(table_, ends, main_->prices.OfBlocks());
  if (base == kNever) return false;
  estimate_ = base * 1.5 + TypicalCost() * 0.1;
  Evaluate(*main_, main_->prices);
  if (in_.has_budget) BracketMu(*main_, estimate_ * 0.1, kBracket);
  Climb(*main_, kBeginEvaluations + kBeginEvaluationsEach * in_.servers, kPromise);
  return true;
}

bool BlockBound::Cycle(int most) {
  const double before = bound();
  const bool grew = Widen(most);
  table_.Compute(prices().mu);
  return grew || bound() - before > kWorthwhile * std::abs(bound());
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
  double mu = prices().mu;
  for (int attempt = 0; attempt < kOrderAttempts && !stop_(); ++attempt, mu *= kOrderMuStep) {
    table_.Compute(mu);
    OrderSearch search(in_, table_);
    std::vector<int> order = OrderOf(main_->best_path, in_.servers);
    if (!order_.empty() && search.Cost(order_) < search.Cost(order)) order = order_;
    search.Improve(order, evaluations, seed, stop_);
    order_ = order;
    Recut(order, mu);
    if (incumbent_.cost != kNever || !in_.has_budget || mu <= 0) break;
  }
  table_.Compute(prices().mu);
}

void BlockBound::Dive(size_t width, double gap) {
  table_.Compute(prices().mu);
  NgPaths paths(in_, near_);
  const std::vector<double> price = prices().OfBlocks();
  paths.Solve(table_, main_->ends, price);
  BeamQuery query;
  query.width = query.most = width;
  query.cutoff = incumbent_.cost + Constant(prices());
  const double before = incumbent_.cost;
  std::vector<int> best;
  std::vector<std::vector<Block>> found;
  if (in_.servers <= kMostServers) found = BeamPaths(in_, table_, main_->ends, price, near_, paths, query);
  for (const std::vector<Block>& path : found) {
    const double known = incumbent_.cost;
    TryPath(path, prices().mu);
    if (best.empty() || incumbent_.cost < known) best = OrderOf(path, in_.servers);
  }
  // Cuts at other prices are tried where the paths are new.
  if (!best.empty() && best != recut_ && !stop_()) {
    recut_ = best;
    Recut(best, prices().mu);
    table_.Compute(prices().mu);
    if (incumbent_.cost < before) order_ = best;
  }
  DropBlocks(paths, gap);
}

void BlockBound::DropBlocks(const NgPaths& completion, double gap) {
  if (incumbent_.cost == kNever) return;
  NgPaths arrival(in_, near_, true);
  const std::vector<double> price = prices().OfBlocks();
  arrival.Solve(table_, main_->ends, price);
  const double limit = incumbent_.cost * (1 - gap) + Constant(prices());
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
