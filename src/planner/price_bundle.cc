#include "planner/price_bundle.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr size_t kMostCuts = 60;
constexpr int kMostExchanges = 400;
constexpr double kExact = 0.01;   // of what the step promises: precision of its weights
constexpr double kSerious = 0.1;  // share of the promise by which the centre moves
constexpr double kGood = 0.6;     // share by which steps grow
constexpr double kGrow = 1.8, kShrink = 0.6;
constexpr int kPatience = 2;  // evaluations without a better centre before steps shrink

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

void PriceBundle::Add(const std::vector<double>& prices, double value, const std::vector<double>& slope,
                      int tag) {
  Cut cut;
  cut.tag = tag;
  std::vector<double> at(scale_.size());
  cut.slope.resize(scale_.size());
  for (size_t i = 0; i < scale_.size(); ++i) {
    at[i] = prices[i] / scale_[i];
    cut.slope[i] = slope[i] * scale_[i];
  }
  cut.constant = value - Dot(cut.slope, at);
  if (cuts_.empty()) cut.weight = 1;
  cuts_.push_back(std::move(cut));
  if (value > centre_value_ + kSerious * promised_) {
    if (value > centre_value_ + kGood * promised_) step_ *= kGrow;
    centre_ = at;
    centre_value_ = value;
    nulls_ = 0;
  } else if (++nulls_ > kPatience) {
    step_ *= kShrink;
    nulls_ = 0;
  }
  Trim();
}

void PriceBundle::Restart(const std::vector<double>& prices, double value, const std::vector<double>& slope,
                          double gain) {
  centre_.resize(scale_.size());
  double norm = 0;
  for (size_t i = 0; i < scale_.size(); ++i) {
    centre_[i] = prices[i] / scale_[i];
    const double g = slope[i] * scale_[i];
    if (g > 0 || centre_[i] > 0) norm += g * g;
  }
  centre_value_ = value;
  step_ = gain / std::max(norm, 1e-12);
  promised_ = 0;
  nulls_ = 0;
}

void PriceBundle::Forget(const std::function<bool(int)>& gone) {
  std::erase_if(cuts_, [&](const Cut& cut) { return gone(cut.tag); });
}

void PriceBundle::Move() {
  for (size_t i = 0; i < scale_.size(); ++i) next_[i] = std::max(0.0, pull_[i]);
  for (Cut& cut : cuts_) cut.value = cut.constant + Dot(cut.slope, next_);
}

// Weights of the cuts by exchange between the two that disagree most: the dual of the proximal problem.
std::vector<double> PriceBundle::Next() {
  double total = 0;
  for (const Cut& cut : cuts_) total += cut.weight;
  if (total <= 0) cuts_.back().weight = total = 1;
  next_.resize(scale_.size());
  pull_ = centre_;
  for (Cut& cut : cuts_) {
    cut.weight /= total;
    for (size_t i = 0; i < scale_.size(); ++i) pull_[i] += step_ * cut.weight * cut.slope[i];
  }
  for (int exchange = 0; exchange < kMostExchanges; ++exchange) {
    Move();
    Cut *low = &cuts_[0], *high = nullptr;
    for (Cut& cut : cuts_) {
      if (cut.value < low->value) low = &cut;
      if (cut.weight > 0 && (high == nullptr || cut.value > high->value)) high = &cut;
    }
    promised_ = low->value - centre_value_;
    const double apart = high->value - low->value;
    if (apart <= kExact * std::abs(promised_) + 1e-9 * std::abs(centre_value_)) break;
    double distance = 0;
    for (size_t i = 0; i < scale_.size(); ++i) {
      const double d = low->slope[i] - high->slope[i];
      distance += d * d;
    }
    const double moved = std::min(high->weight, apart / std::max(step_ * distance, 1e-300));
    low->weight += moved;
    high->weight -= moved;
    for (size_t i = 0; i < scale_.size(); ++i) pull_[i] += step_ * moved * (low->slope[i] - high->slope[i]);
  }
  promised_ = std::max(promised_, 0.0);
  for (Cut& cut : cuts_) cut.age = cut.weight > 0 ? 0 : cut.age + 1;
  std::vector<double> prices(scale_.size());
  for (size_t i = 0; i < scale_.size(); ++i) prices[i] = next_[i] * scale_[i];
  return prices;
}

std::vector<int> PriceBundle::ActiveTags() const {
  std::vector<int> tags;
  for (const Cut& cut : cuts_)
    if (cut.weight > 1e-3) tags.push_back(cut.tag);
  return tags;
}

void PriceBundle::Trim() {
  if (cuts_.size() <= kMostCuts) return;
  const auto oldest = std::max_element(cuts_.begin(), cuts_.end() - 1,
                                       [](const Cut& a, const Cut& b) { return a.age < b.age; });
  cuts_.erase(oldest);
}

}  // namespace dilemma
