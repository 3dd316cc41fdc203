// From the bounds of a wide model to a plan: a path with each server at most once, and types for it.
#include <algorithm>
#include <bitset>
#include <cmath>

#include "fleet/wide_model.h"

namespace dilemma {
namespace {

constexpr int kTypeSteps = 16;       // bisection on the price of loss
constexpr size_t kCrowd = 8;         // times the width: paths that wait at a unit before the best are kept
constexpr double kMostMu = 1 << 12;  // times the price of the bounds

struct Label {
  double cost = 0, bound = 0;
  int at = 0;  // position of its server
  int parent = -1, from = 0;
  std::bitset<WideModel::kBeamServers> used;
};

}  // namespace

std::vector<int> WideModel::Best(size_t most) {
  const std::vector<double> through = Through();
  std::vector<int> order = active_;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return through[static_cast<size_t>(a)] < through[static_cast<size_t>(b)];
  });
  while (!order.empty() && (order.size() > most || through[static_cast<size_t>(order.back())] == kNever))
    order.pop_back();
  return order;
}

std::vector<WideModel::Block> WideModel::Distinct(const std::vector<int>& servers, size_t width) const {
  const auto U = static_cast<size_t>(U_);
  const size_t S = std::min(servers.size(), kBeamServers);
  const auto server = [&](int at) { return servers[static_cast<size_t>(at)]; };
  std::vector<Label> all;  // those that were extended
  std::vector<std::vector<Label>> waiting(U);
  const auto less = [](const Label& a, const Label& b) { return a.bound < b.bound; };
  const auto put = [&](size_t l, const Label& label) {
    std::vector<Label>& labels = waiting[l];
    labels.push_back(label);
    if (labels.size() < kCrowd * width) return;
    std::nth_element(labels.begin(), labels.begin() + static_cast<ptrdiff_t>(width), labels.end(), less);
    labels.resize(width);
  };
  for (size_t i = 0; i < S; ++i) {
    Label label;
    const auto n = static_cast<size_t>(servers[i]);
    label.cost = first_[n];
    label.bound = first_[n] + begin_[0][n];
    label.at = static_cast<int>(i);
    label.used.set(i);
    if (label.bound < kNever) put(0, label);
  }
  double best = kNever;
  int best_parent = -1;
  for (size_t l = 0; l < U; ++l) {
    std::vector<Label>& labels = waiting[l];
    std::stable_sort(labels.begin(), labels.end(), less);
    if (labels.size() > width) labels.resize(width);
    for (const Label& label : labels) {
      if (label.bound >= best) break;
      const int parent = static_cast<int>(all.size()), n = server(label.at);
      all.push_back(label);
      all.back().from = static_cast<int>(l);
      const int reach = reach_[static_cast<size_t>(n) * U + l];
      for (int k = 1; k <= reach; ++k) {
        const size_t end = l + static_cast<size_t>(k);
        const double cost = label.cost + BlockCost(n, static_cast<int>(l), k);
        if (end == U) {
          if (const double value = cost + last_[static_cast<size_t>(n)]; value < best) {
            best = value;
            best_parent = parent;
          }
          continue;
        }
        for (size_t i = 0; i < S; ++i) {
          const int m = servers[i];
          const auto t = static_cast<size_t>(m);
          if (label.used[i] || begin_[end][t] == kNever) continue;
          Label next;
          next.cost = cost + HopCost(n, m) + stage_[t];
          next.bound = next.cost + begin_[end][t];
          if (next.bound >= best) continue;
          next.at = static_cast<int>(i);
          next.parent = parent;
          next.used = label.used;
          next.used.set(i);
          put(end, next);
        }
      }
    }
    labels = {};
  }
  std::vector<Block> blocks;
  int end = U_;
  for (int i = best_parent; i >= 0; i = all[static_cast<size_t>(i)].parent) {
    const Label& label = all[static_cast<size_t>(i)];
    blocks.push_back({server(label.at), label.from, end - label.from});
    end = label.from;
  }
  std::reverse(blocks.begin(), blocks.end());
  return blocks;
}

struct WideModel::Typed {
  double cost = 0, loss = 0;
  std::vector<int> types;  // [u]
};

// From the smallest types, those steps that save most a byte, as long as they fit.
WideModel::Typed WideModel::TypesAt(const std::vector<Block>& blocks, double mu) const {
  struct Step {
    double slope;  // of value in bytes, below 0
    int unit, type;
    double bytes;
  };
  Typed typed;
  typed.types.assign(static_cast<size_t>(U_), -1);
  std::vector<Step> steps;
  for (const Block& block : blocks) {
    const auto n = static_cast<size_t>(block.server);
    double left = memory_[n] - stage_bytes_[n];
    steps.clear();
    for (int u = block.first; u < block.first + block.length; ++u) {
      const size_t row = static_cast<size_t>(u) * Q_;
      const auto value = [&](size_t q) {
        return Item(u, block.server, static_cast<int>(q)) + mu * loss_[row + q] + price_[n] * bytes_[row + q];
      };
      int now = -1;
      for (size_t q = 0; q < Q_; ++q) {
        if (value(q) == kNever) continue;
        const auto best = static_cast<size_t>(now);
        if (now < 0 || bytes_[row + q] < bytes_[row + best] ||
            (bytes_[row + q] == bytes_[row + best] && value(q) < value(best)))
          now = static_cast<int>(q);
      }
      typed.types[static_cast<size_t>(u)] = now;
      left -= bytes_[row + static_cast<size_t>(now)] +
              fixed_[n * static_cast<size_t>(U_) + static_cast<size_t>(u)];
      for (;;) {  // along the lower hull
        const auto at = static_cast<size_t>(now);
        Step step{0, u, -1, 0};
        for (size_t q = 0; q < Q_; ++q) {
          const double more = bytes_[row + q] - bytes_[row + at];
          if (more <= 0 || value(q) == kNever) continue;
          if (const double slope = (value(q) - value(at)) / more; slope < step.slope)
            step = {slope, u, static_cast<int>(q), more};
        }
        if (step.type < 0) break;
        steps.push_back(step);
        now = step.type;
      }
    }
    std::stable_sort(steps.begin(), steps.end(),
                     [](const Step& a, const Step& b) { return a.slope < b.slope; });
    for (const Step& step : steps) {
      const auto u = static_cast<size_t>(step.unit);
      const double more = bytes_[u * Q_ + static_cast<size_t>(step.type)] -
                          bytes_[u * Q_ + static_cast<size_t>(typed.types[u])];
      if (more > left) continue;
      typed.types[u] = step.type;
      left -= more;
    }
    for (int u = block.first; u < block.first + block.length; ++u) {
      const int q = typed.types[static_cast<size_t>(u)];
      const size_t uq = static_cast<size_t>(u) * Q_ + static_cast<size_t>(q);
      typed.cost += Item(u, block.server, q) + price_[n] * bytes_[uq];
      typed.loss += loss_[uq];
    }
  }
  return typed;
}

Assignment WideModel::ChooseTypes(const std::vector<Block>& blocks) const {
  if (blocks.empty()) return {};
  const double slack = 1 + 1e-10;
  double low = 0, high = std::max(mu_, 1e-9 * typical_);
  Typed best = TypesAt(blocks, high);
  while (best.loss > slack && high < kMostMu * std::max(mu_, 1e-9 * typical_)) {
    low = high;
    high *= 4;
    best = TypesAt(blocks, high);
  }
  if (best.loss > slack) return {};
  for (int step = 0; step < kTypeSteps && has_budget_; ++step) {
    const double middle = low > 0 ? std::sqrt(low * high) : high / 4;
    Typed now = TypesAt(blocks, middle);
    if (now.loss > slack) {
      low = middle;
      continue;
    }
    high = middle;
    if (now.cost < best.cost) best = std::move(now);
  }
  Assignment plan;
  for (const Block& block : blocks)
    for (int u = block.first; u < block.first + block.length; ++u)
      plan.push_back({block.server, best.types[static_cast<size_t>(u)]});
  return plan;
}

}  // namespace dilemma
