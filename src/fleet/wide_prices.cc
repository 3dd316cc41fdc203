#include "fleet/wide_prices.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dilemma {
namespace {

constexpr double kFirstStep = 0.05, kLastStep = 3e-4;  // of a model's mean cost, for a whole server too much
constexpr double kFirstTurn = 0.3, kLastTurn = 0.03;   // of the logarithm of the loss
constexpr double kLeastLoss = 0.05, kMostLoss = 20;
constexpr double kLossMean = 0.3;  // weight of the last path in the mean loss
constexpr double kKept = 0.6;      // weight of earlier passes in the mean prices
constexpr int kBounds = 8;         // evaluated on the way
constexpr int kMuSteps = 12;
constexpr double kMuClose = 1.02;
constexpr size_t kPicked = 96;  // servers that a first price of loss is found on
constexpr double kShave = 1e-10;

// Steps get shorter by the same factor each time.
double Between(double first, double last, double at) { return first * std::pow(last / first, at); }

}  // namespace

WidePrices::WidePrices(const Fleet& fleet, std::vector<WideModel>& models, std::function<bool()> stop,
                       std::function<void(double)> raised)
    : models_(models), stop_(std::move(stop)), raised_(std::move(raised)) {
  for (const int64_t bytes : fleet.memory_bytes)
    memory_.push_back(bytes == kNoLimit ? 0 : static_cast<double>(bytes));
  price_.assign(memory_.size(), 0.0);
  best_.memory = price_;
  for (const WideModel& model : models) mu_.push_back(model.has_budget() ? model.typical_cost() : 0);
  best_mu_ = mu_;
  loss_.assign(models.size(), 1.0);
}

std::vector<double> WidePrices::OfBytes(const std::vector<double>& price) const {
  std::vector<double> of_bytes(price.size(), 0.0);
  for (size_t n = 0; n < price.size(); ++n)
    if (memory_[n] > 0) of_bytes[n] = price[n] / memory_[n];
  return of_bytes;
}

// The best price of loss on the servers that the model looks at, memory free.
double WidePrices::MuAlone(WideModel& model, double mu) const {
  const std::vector<double> free(memory_.size(), 0.0);
  double low = 0, high = kNever, best = -kNever, best_mu = mu;
  for (int i = 0; i < kMuSteps && !(high < low * kMuClose); ++i) {
    const WideModel::Path path = model.Solve(free, mu, nullptr);
    if (path.value == kNever) break;
    if (path.value > best) {
      best = path.value;
      best_mu = mu;
    }
    (path.loss > 1 ? low : high) = mu;
    mu = low == 0 ? high / 4 : high == kNever ? low * 4 : std::sqrt(low * high);
  }
  return best_mu;
}

bool WidePrices::Begin() {
  const std::vector<double> free(memory_.size(), 0.0);
  for (size_t k = 0; k < models_.size() && !stop_(); ++k) {
    if (!models_[k].has_budget()) continue;
    if (models_[k].Solve(free, mu_[k], nullptr).value == kNever) {
      failed_ = static_cast<int>(k);
      return false;
    }
    models_[k].LookAt(models_[k].Best(kPicked));
    mu_[k] = MuAlone(models_[k], mu_[k]);
    models_[k].LookAt({});
  }
  best_mu_ = mu_;
  const bool found = Bound(price_);
  scale_ = std::max(0.0, bound_) / static_cast<double>(models_.size());
  return found;
}

bool WidePrices::Bound(const std::vector<double>& price) {
  const std::vector<double> memory = OfBytes(price);
  double sum = -std::accumulate(price.begin(), price.end(), 0.0) * (1 + kShave);
  for (size_t k = 0; k < models_.size(); ++k) {
    if (stop_()) return true;
    const WideModel::Path path = models_[k].Solve(memory, mu_[k], nullptr);
    if (path.value == kNever) {
      failed_ = static_cast<int>(k);
      return false;
    }
    sum += path.value;
  }
  if (sum <= bound_) return true;
  bound_ = sum;
  best_.memory = memory;
  best_mu_ = mu_;
  raised_(bound_);
  return true;
}

bool WidePrices::Step(int model, double size, double turn) {
  const auto k = static_cast<size_t>(model);
  const WideModel::Path path = models_[k].Solve(OfBytes(price_), mu_[k], nullptr);
  if (path.value == kNever) {
    failed_ = model;
    return false;
  }
  loss_[k] += kLossMean * (path.loss - loss_[k]);
  if (models_[k].has_budget()) mu_[k] *= std::pow(std::clamp(loss_[k], kLeastLoss, kMostLoss), turn);
  const double share = 1 / static_cast<double>(models_.size());
  std::vector<double> change(price_.size(), -share);
  for (size_t b = 0; b < path.blocks.size(); ++b) {
    const auto n = static_cast<size_t>(path.blocks[b].server);
    if (memory_[n] > 0) change[n] += path.bytes[b] / memory_[n];
  }
  for (size_t n = 0; n < price_.size(); ++n)
    if (memory_[n] > 0) price_[n] = std::max(0.0, price_[n] + size * change[n]);
  return true;
}

bool WidePrices::Run(int passes) {
  std::vector<double> mean = price_;
  for (int pass = 0; pass < passes && !stop_(); ++pass) {
    const double at = passes > 1 ? static_cast<double>(pass) / (passes - 1) : 1;
    const double size = Between(kFirstStep, kLastStep, at) * scale_,
                 turn = Between(kFirstTurn, kLastTurn, at);
    std::vector<double> sum(price_.size(), 0.0);
    for (size_t i = 0; i < models_.size() && !stop_(); ++i) {
      // another order in each pass
      const size_t k = (i * 7 + static_cast<size_t>(pass) * 3) % models_.size();
      const bool all = models_.size() % 7 != 0;
      if (!Step(static_cast<int>(all ? k : i), size, turn)) return false;
      for (size_t n = 0; n < sum.size(); ++n) sum[n] += price_[n];
    }
    // the mean of the last passes moves less than the prices do
    const double keep = pass == 0 ? 0 : kKept;
    for (size_t n = 0; n < sum.size(); ++n)
      mean[n] = keep * mean[n] + (1 - keep) * sum[n] / static_cast<double>(models_.size());
    if ((pass + 1) % std::max(1, passes / kBounds) == 0 || pass + 1 == passes)
      if (!Bound(mean)) return false;
  }
  return true;
}

}  // namespace dilemma
