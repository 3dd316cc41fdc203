#include "planner/any_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dilemma {
namespace {

constexpr double kLossTolerance = 1e-10;
constexpr double kShave = 1e-11;
constexpr size_t kCompared = 64;  // best labels of a server that the others are compared with
constexpr int64_t kMostBytes = int64_t{2} << 30;
constexpr int64_t kPollEvery = 256;

}  // namespace

AnySearch::AnySearch(const BlockInstance& instance, const BlockTable& table, const AnyBound& bound,
                     Incumbent& incumbent, std::function<bool()> stop)
    : in_(instance),
      table_(table),
      lagrangian_(bound),
      incumbent_(incumbent),
      stop_(std::move(stop)),
      near_(instance.servers),
      arrival_(instance, near_, true),
      constant_(bound.Constant()),
      bound_(bound.bound()) {
  arrival_.Solve(table_, lagrangian_.ends(), std::vector<double>(static_cast<size_t>(in_.servers), 0.0));
  least_loss_.assign(static_cast<size_t>(in_.units) + 1, 0.0);
  for (int u = in_.units - 1; u >= 0; --u) {
    double least = kNever;
    for (int n = 0; n < in_.servers; ++n)
      for (const Item& item : in_.Items(u, n)) least = std::min(least, item.loss);
    least_loss_[static_cast<size_t>(u)] = least_loss_[static_cast<size_t>(u) + 1] + least;
  }
}

const AnySearch::Choices& AnySearch::ChoicesOf(int n, int a, int k) {
  Choices& choices = choices_[(static_cast<size_t>(n) * in_.units + a) * (in_.units + 1) + k];
  if (choices.limit < 0) {
    const double around =
        arrival_.Completion(in_.units - a, n, 0) + lagrangian_.paths().Completion(a + k, n, 0);
    choices.limit = std::max(0.0, cutoff_ + constant_ - around);
    choices.list = EnumerateBlock(in_, table_.prices(), {n, a, k, choices.limit, choices_kept_, true});
  }
  return choices;
}

bool AnySearch::Pass(size_t width, double cutoff, double gap, size_t choices) {
  width_ = width;
  gap_ = gap;
  choices_kept_ = choices;
  cutoff_ = std::min(cutoff, incumbent_.cost * (1 - gap));
  dropped_ = kNever;
  labels_held_ = 0;
  choices_.assign(static_cast<size_t>(in_.servers) * in_.units * (in_.units + 1), {});
  layers_.assign(static_cast<size_t>(in_.units) + 1, {});
  const std::vector<int64_t> nothing(static_cast<size_t>(in_.servers), 0);
  for (int n = 0; n < in_.servers; ++n) ExtendTo({}, nothing.data(), 0, -1, n);
  for (int l = 1; l < in_.units; ++l) {
    Layer& layer = layers_[static_cast<size_t>(l)];
    Reduce(layer);
    for (size_t i = 0; i < layer.labels.size(); ++i) {
      if (i % kPollEvery == 0 && stop_()) return false;
      if (layer.labels[i].bound >= cutoff_) continue;
      for (int m = 0; m < in_.servers; ++m)
        if (m != layer.labels[i].server)
          ExtendTo(layer.labels[i], &layer.used[i * static_cast<size_t>(in_.servers)], l,
                   static_cast<int32_t>(i), m);
    }
  }
  const double wanted = std::min(cutoff, incumbent_.cost * (1 - gap));
  bound_ = std::max(bound_, std::min({dropped_, wanted, incumbent_.cost}));
  return dropped_ >= wanted;
}

void AnySearch::ExtendTo(const Label& from, const int64_t* used, int l, int32_t index, int m) {
  const auto i = static_cast<size_t>(m);
  const double hop = from.server < 0 ? in_.first[i] : in_.Hop(from.server, m);
  const double base = from.cost + hop + table_.mu() * from.loss + from.memory_price - constant_;
  const int64_t room = in_.memory[i] - used[i] - in_.stage[i];
  for (int k = 1; k <= in_.MaxLength(m, l) && in_.LeastBytes(m, l, l + k) <= room; ++k) {
    const double bound = base + table_.Cost(m, l, k) + lagrangian_.paths().Completion(l + k, m, 0);
    if (bound - kShave * (std::abs(bound) + constant_) < cutoff_) AddPoints(from, used, l, index, m, k, base);
  }
}

void AnySearch::AddPoints(const Label& from, const int64_t* used, int l, int32_t index, int m, int k,
                          double base) {
  const BlockChoices& choices = ChoicesOf(m, l, k).list;
  const auto i = static_cast<size_t>(m);
  const auto N = static_cast<size_t>(in_.servers);
  const int to = l + k;
  const double memory = table_.prices().Memory(m), mu = table_.mu();
  const double rest = lagrangian_.paths().Completion(to, m, 0);
  const int64_t least = in_.LeastBytes(m, l, to) + in_.stage[i];
  Layer& layer = layers_[static_cast<size_t>(to)];
  for (size_t c = 0; c < choices.points.size(); ++c) {
    const BlockPoint& point = choices.points[c];
    const double price = memory * static_cast<double>(least + point.excess);
    const double bound = base + point.cost + mu * point.loss + price + rest;
    const double shaved = bound - kShave * (std::abs(bound) + constant_);
    if (shaved >= cutoff_) break;
    if (used[i] + least + point.excess > in_.memory[i]) continue;
    Label next = from;
    next.loss += point.loss;
    if (next.loss + least_loss_[static_cast<size_t>(to)] > 1 + kLossTolerance) continue;
    next.cost += (from.server < 0 ? in_.first[i] : in_.Hop(from.server, m)) + point.cost;
    next.memory_price += price;
    next.bound = std::max(from.bound, shaved);
    next.parent = index;
    next.parent_unit = l;
    next.point = static_cast<int32_t>(c);
    next.server = static_cast<int16_t>(m);
    if (from.server < 0) next.first = static_cast<int16_t>(m);
    if (to == in_.units) {
      Finish(next);
      continue;
    }
    layer.labels.push_back(next);
    layer.used.insert(layer.used.end(), used, used + N);
    layer.used[layer.used.size() - N + i] += least + point.excess;
  }
  if (choices.rest != kNever) Lower(base + choices.rest + rest - kShave * constant_);
}

void AnySearch::Finish(const Label& label) {
  const double cost =
      label.cost + in_.last[static_cast<size_t>(label.server)] + in_.Ring(label.server, label.first);
  if (cost >= incumbent_.cost) return;
  incumbent_.cost = cost;
  Trace(label);
  cutoff_ = std::min(cutoff_, incumbent_.cost * (1 - gap_));
}

// `order` is by bound; a label is compared with the best kCompared ones of its server.
void AnySearch::MarkBeaten(const Layer& layer, std::vector<size_t>& order, std::vector<char>& beaten) const {
  const auto N = static_cast<size_t>(in_.servers);
  std::vector<std::vector<size_t>> best(N);
  for (const size_t i : order) {
    const Label& label = layer.labels[i];
    auto& others = best[static_cast<size_t>(label.server)];
    const int64_t* mine = &layer.used[i * N];
    for (const size_t j : others) {
      const Label& other = layer.labels[j];
      if (other.cost > label.cost || other.loss > label.loss || (in_.has_ring && other.first != label.first))
        continue;
      const int64_t* theirs = &layer.used[j * N];
      bool less = true;
      for (size_t n = 0; n < N && less; ++n) less = theirs[n] <= mine[n];
      if (less) {
        beaten[i] = 1;
        break;
      }
    }
    if (!beaten[i] && others.size() < kCompared) others.push_back(i);
  }
}

void AnySearch::Reduce(Layer& layer) {
  const auto N = static_cast<size_t>(in_.servers);
  std::vector<size_t> order;
  for (size_t i = 0; i < layer.labels.size(); ++i)
    if (layer.labels[i].bound < cutoff_) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Label &x = layer.labels[a], &y = layer.labels[b];
    if (x.bound != y.bound) return x.bound < y.bound;
    if (x.cost != y.cost) return x.cost < y.cost;
    return a < b;
  });
  std::vector<char> beaten(layer.labels.size(), 0);
  MarkBeaten(layer, order, beaten);
  Layer kept;
  for (const size_t i : order) {
    if (beaten[i]) continue;
    if (kept.labels.size() >= width_) {
      Lower(layer.labels[i].bound);
      break;  // the others have bounds that are no less
    }
    kept.labels.push_back(layer.labels[i]);
    kept.used.insert(kept.used.end(), &layer.used[i * N], &layer.used[i * N] + N);
  }
  layer = std::move(kept);
  labels_held_ += static_cast<int64_t>(layer.labels.size());
  if (labels_held_ * static_cast<int64_t>(sizeof(Label) + N * sizeof(int64_t)) > kMostBytes) {
    out_of_memory_ = true;
    width_ = std::min<size_t>(width_, 1000);
  }
}

void AnySearch::Trace(const Label& last) {
  incumbent_.server.assign(static_cast<size_t>(in_.units), 0);
  incumbent_.type = incumbent_.server;
  Label label = last;
  for (int end = in_.units; end > 0; end = label.parent_unit) {
    if (end != in_.units) label = layers_[static_cast<size_t>(end)].labels[static_cast<size_t>(label.parent)];
    const int a = label.parent_unit, k = end - a, n = label.server;
    const Choices& choices = ChoicesOf(n, a, k);
    const std::vector<int> types =
        TypesOfChoice(in_, table_.prices(), {n, a, k, choices.limit, choices_kept_, true},
                      choices.list.points[static_cast<size_t>(label.point)]);
    for (int i = 0; i < k; ++i) {
      incumbent_.server[static_cast<size_t>(a + i)] = n;
      incumbent_.type[static_cast<size_t>(a + i)] = types[static_cast<size_t>(i)];
    }
  }
}

}  // namespace dilemma
