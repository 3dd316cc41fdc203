#include "fleet/wide_prices.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dilemma {
namespace {

constexpr double kFirstStep = 0.06,
                 kLastStep = 0.0006;  // of a middling model's cost, for a whole server too much
constexpr double kFirstTurn = 0.6, kLastTurn = 0.15;  // of the logarithm of the loss
constexpr double kLeastLoss = 0.05, kMostLoss = 20;
constexpr int kBounds = 8;      // evaluated on the way
constexpr size_t kPicked = 96;  // servers that a step looks at
constexpr double kShave = 1e-10;

double Turned(double mu, double loss, double turn) {
  return mu * std::pow(std::clamp(loss, kLeastLoss, kMostLoss), turn);
}

}  // namespace

WidePrices::WidePrices(const Fleet& fleet, std::vector<WideModel>& models, std::function<bool()> stop)
    : fleet_(fleet), models_(models), stop_(std::move(stop)) {
  for (const int64_t bytes : fleet.memory_bytes) memory_.push_back(static_cast<double>(bytes));
  price_.assign(memory_.size(), 0.0);
  best_.memory = price_;
  for (const WideModel& model : models) {
    mu_.push_back(model.has_budget() ? model.typical_cost() : 0);
    scale_ += model.typical_cost() / static_cast<double>(models.size());
  }
  best_mu_ = mu_;
  picked_.resize(models.size());
}

void WidePrices::Pick(int model) {
  if (memory_.size() <= kPicked) return;
  const std::vector<double> through = models_[static_cast<size_t>(model)].Through();
  std::vector<int> order(through.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return through[static_cast<size_t>(a)] < through[static_cast<size_t>(b)];
  });
  order.resize(kPicked);
  std::sort(order.begin(), order.end());
  picked_[static_cast<size_t>(model)] = std::move(order);
}

bool WidePrices::Step(int model, double size, double turn) {
  const auto k = static_cast<size_t>(model);
  models_[k].LookAt(picked_[k]);
  const WideModel::Path path = models_[k].Solve(price_, mu_[k], nullptr);
  if (picked_[k].empty()) Pick(model);
  models_[k].LookAt({});
  if (path.value == kNever) {
    if (!picked_[k].empty()) {  // the picked servers are too few: all of them the next time
      picked_[k].clear();
      return true;
    }
    failed_ = model;
    return false;
  }
  if (models_[k].has_budget()) mu_[k] = Turned(mu_[k], path.loss, turn);
  const double share = 1 / static_cast<double>(models_.size());
  std::vector<double> change(price_.size(), -share);
  for (size_t b = 0; b < path.servers.size(); ++b) {
    const auto n = static_cast<size_t>(path.servers[b]);
    if (memory_[n] > 0) change[n] += path.bytes[b] / memory_[n];
  }
  for (size_t n = 0; n < price_.size(); ++n)
    if (memory_[n] > 0 && fleet_.memory_bytes[n] != kNoLimit)
      price_[n] = std::max(0.0, price_[n] + size * scale_ * change[n] / memory_[n]);
  return true;
}

bool WidePrices::Bound(const std::vector<double>& memory, int turns,
                       const std::function<void(double)>& raised) {
  FleetPrices prices;
  prices.memory = memory;
  const double constant = prices.Constant(fleet_);
  double sum = -constant * (1 + kShave);
  std::vector<double> best_mu = mu_;
  for (size_t k = 0; k < models_.size(); ++k) {
    double best = -kNever, mu = mu_[k];
    for (int turn = 0; turn <= (models_[k].has_budget() ? turns : 0); ++turn) {
      if (stop_()) return true;
      const WideModel::Path path = models_[k].Solve(memory, mu, nullptr);
      if (path.value == kNever) {
        failed_ = static_cast<int>(k);
        return false;
      }
      if (turn == 0) Pick(static_cast<int>(k));
      if (path.value > best) {
        best = path.value;
        best_mu[k] = mu;
      }
      mu = Turned(mu, path.loss, kLastTurn);
    }
    sum += best;
  }
  if (sum <= bound_) return true;
  bound_ = sum;
  best_ = std::move(prices);
  best_mu_ = std::move(best_mu);
  raised(bound_);
  return true;
}

bool WidePrices::Run(int passes, const std::function<void(double)>& raised) {
  mean_ = price_;
  for (int pass = 0; pass < passes && !stop_(); ++pass) {
    const double at = passes > 1 ? static_cast<double>(pass) / (passes - 1) : 1;
    const double size = kFirstStep * std::pow(kLastStep / kFirstStep, at),
                 turn = kFirstTurn * std::pow(kLastTurn / kFirstTurn, at);
    std::vector<double> sum(price_.size(), 0.0);
    for (size_t i = 0; i < models_.size() && !stop_(); ++i) {
      // another order in each pass
      const size_t k = (i * 7 + static_cast<size_t>(pass) * 3) % models_.size();
      const bool all = models_.size() % 7 != 0;
      if (!Step(static_cast<int>(all ? k : i), size, turn)) return false;
      for (size_t n = 0; n < sum.size(); ++n) sum[n] += price_[n];
    }
    for (double& value : sum) value /= static_cast<double>(models_.size());
    // the mean of the last passes moves less than the prices do
    const double keep = pass == 0 ? 0 : 0.6;
    for (size_t n = 0; n < sum.size(); ++n) mean_[n] = keep * mean_[n] + (1 - keep) * sum[n];
    if ((pass + 1) % std::max(1, passes / kBounds) == 0 || pass + 1 == passes)
      if (!Bound(mean_, pass + 1 == passes ? 3 : 0, raised)) return false;
  }
  return true;
}

}  // namespace dilemma
