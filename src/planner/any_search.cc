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
constexpr size_t kSpare = 4;  // times the width: labels that are kept until it is known which ones are beaten

}  // namespace

AnySearch::AnySearch(const BlockInstance& instance, const RoomGrid& rooms, const AnyBound& bound,
                     Incumbent& incumbent, std::function<bool()> stop)
    : in_(instance),
      rooms_(rooms),
      lagrangian_(bound),
      incumbent_(incumbent),
      stop_(std::move(stop)),
      rest_(instance, rooms, bound),
      levels_(static_cast<size_t>(instance.servers), 0),
      constant_(bound.Constant()),
      bound_(bound.bound()) {
  least_loss_.assign(static_cast<size_t>(in_.units) + 1, 0.0);
  for (int u = in_.units - 1; u >= 0; --u) {
    double least = kNever;
    for (int n = 0; n < in_.servers; ++n)
      for (const Item& item : in_.Items(u, n)) least = std::min(least, item.loss);
    least_loss_[static_cast<size_t>(u)] = least_loss_[static_cast<size_t>(u) + 1] + least;
  }
}

bool AnySearch::Pass(size_t width, double cutoff, double gap) {
  width_ = width;
  gap_ = gap;
  cutoff_ = std::min(cutoff, incumbent_.cost * (1 - gap));
  dropped_ = kNever;
  labels_held_ = 0;
  layers_.assign(static_cast<size_t>(in_.units) + 1, {});
  Extend({}, in_.memory.data(), 0, -1);
  for (int l = 1; l < in_.units; ++l) {
    Layer& layer = layers_[static_cast<size_t>(l)];
    Reduce(layer);
    for (size_t i = 0; i < layer.labels.size(); ++i) {
      if (i % kPollEvery == 0 && stop_()) return false;
      if (layer.labels[i].bound < cutoff_)
        Extend(layer.labels[i], &layer.room[i * Servers()], l, static_cast<int32_t>(i));
    }
    layer.room = {};
  }
  layers_ = {};
  const double wanted = std::min(cutoff, incumbent_.cost * (1 - gap));
  bound_ = std::max(bound_, std::min({dropped_, wanted, incumbent_.cost}));
  return dropped_ >= wanted;
}

void AnySearch::Extend(const Label& from, const int64_t* room, int l, int32_t index) {
  for (size_t n = 0; n < Servers(); ++n)
    levels_[n] = lagrangian_.table().LevelOf(static_cast<int>(n), in_.memory[n] - room[n]);
  for (int m = 0; m < in_.servers; ++m) ExtendTo(from, room, l, index, m);
}

void AnySearch::ExtendTo(const Label& from, const int64_t* room, int l, int32_t index, int m) {
  const auto i = static_cast<size_t>(m);
  const bool stays = from.server == m;
  const double hop = stays ? 0 : from.server < 0 ? lagrangian_.ends().first[i] : in_.Hop(from.server, m);
  if (hop == kNever) return;
  const int64_t stage = stays ? 0 : in_.stage[i], least = in_.LeastBytes(m, l, l + 1);
  const int64_t left = room[i] - stage - least;
  if (left < 0) return;
  const BlockPrices& prices = lagrangian_.prices();
  const int others =
      lagrangian_.memory().StateOf(m, 0, [this](int n) { return levels_[static_cast<size_t>(n)]; });
  const double base = from.priced + hop + prices.Memory(m) * static_cast<double>(stage + least);
  Layer& layer = layers_[static_cast<size_t>(l) + 1];
  const auto& items = in_.Items(l, m);
  for (size_t t = 0; t < items.size(); ++t) {
    const Item& item = items[t];
    if (item.excess > left ||
        from.loss + item.loss + least_loss_[static_cast<size_t>(l) + 1] > 1 + kLossTolerance)
      continue;
    const double priced =
        base + item.cost + prices.mu * item.loss + prices.Memory(m) * static_cast<double>(item.excess);
    const int64_t after = rooms_.Canonical(m, left - item.excess);
    const double bound = priced + rest_.Rest(l + 1, m, rooms_.Index(m, after), others) - constant_;
    const double shaved = bound - kShave * (std::abs(bound) + constant_);
    if (shaved >= cutoff_) continue;
    if (shaved > layer.limit) {
      Lower(shaved);
      continue;
    }
    Label next = from;
    next.cost += hop + item.cost;
    next.loss += item.loss;
    next.priced = priced;
    next.bound = std::max(from.bound, shaved);
    next.parent = index;
    next.server = static_cast<int16_t>(m);
    next.item = static_cast<int16_t>(t);
    if (from.server < 0) next.first = static_cast<int16_t>(m);
    if (l + 1 == in_.units) {
      Finish(next);
      continue;
    }
    layer.labels.push_back(next);
    layer.room.insert(layer.room.end(), room, room + in_.servers);
    layer.room[layer.room.size() - Servers() + i] = after;
    if (layer.labels.size() >= 2 * kSpare * width_) Thin(layer);
  }
}

void AnySearch::Finish(const Label& label) {
  const double cost =
      label.cost + in_.last[static_cast<size_t>(label.server)] + in_.Ring(label.server, label.first);
  if (cost >= incumbent_.cost) return;
  incumbent_.cost = cost;
  Trace(label);
  cutoff_ = std::min(cutoff_, incumbent_.cost * (1 - gap_));
}

// Labels of a server that have the same room on all others: sorted by cost, one is beaten by an earlier one
// that loses no more and has no less room here.
void AnySearch::BeatEqualRooms(const Layer& layer, const std::vector<size_t>& alive,
                               std::vector<char>& beaten) const {
  const size_t N = Servers();
  std::vector<uint64_t> key(layer.labels.size());
  for (const size_t i : alive) {
    const Label& label = layer.labels[i];
    uint64_t hash =
        static_cast<uint64_t>(label.server) * 64 + (in_.has_ring ? static_cast<uint64_t>(label.first) : 0);
    for (size_t n = 0; n < N; ++n) {
      const auto room =
          static_cast<size_t>(label.server) == n ? 0 : static_cast<uint64_t>(layer.room[i * N + n]);
      hash = (hash ^ room) * 0x9E3779B97F4A7C15ull;
      hash ^= hash >> 29;
    }
    key[i] = hash;
  }
  std::vector<size_t> order = alive;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Label &x = layer.labels[a], &y = layer.labels[b];
    if (key[a] != key[b]) return key[a] < key[b];
    if (x.cost != y.cost) return x.cost < y.cost;
    if (x.loss != y.loss) return x.loss < y.loss;
    return a < b;
  });
  const auto same = [&](size_t a, size_t b) {  // hashes may collide
    const Label &x = layer.labels[a], &y = layer.labels[b];
    if (key[a] != key[b] || x.server != y.server || (in_.has_ring && x.first != y.first)) return false;
    for (size_t n = 0; n < N; ++n)
      if (n != static_cast<size_t>(x.server) && layer.room[a * N + n] != layer.room[b * N + n]) return false;
    return true;
  };
  std::vector<size_t> kept;  // of the group
  for (const size_t i : order) {
    const Label& label = layer.labels[i];
    const auto own = [&](size_t j) { return layer.room[j * N + static_cast<size_t>(label.server)]; };
    if (!kept.empty() && !same(kept.front(), i)) kept.clear();
    for (const size_t j : kept) {
      if (layer.labels[j].loss > label.loss || own(j) < own(i)) continue;
      beaten[i] = 1;
      break;
    }
    if (!beaten[i]) kept.push_back(i);
  }
}

// `order` is by bound; a label is compared with the best kCompared ones of its server.
void AnySearch::BeatByBest(const Layer& layer, const std::vector<size_t>& order,
                           std::vector<char>& beaten) const {
  const size_t N = Servers();
  std::vector<std::vector<size_t>> best(N);
  for (const size_t i : order) {
    const Label& label = layer.labels[i];
    auto& others = best[static_cast<size_t>(label.server)];
    const int64_t* mine = &layer.room[i * N];
    for (const size_t j : others) {
      const Label& other = layer.labels[j];
      if (other.cost > label.cost || other.loss > label.loss || (in_.has_ring && other.first != label.first))
        continue;
      const int64_t* theirs = &layer.room[j * N];
      bool more = true;
      for (size_t n = 0; n < N && more; ++n) more = theirs[n] >= mine[n];
      if (more) {
        beaten[i] = 1;
        break;
      }
    }
    if (!beaten[i] && others.size() < kCompared) others.push_back(i);
  }
}

// Keeps the best half or so. What is left out has bounds above the layer's limit, or equal to it.
void AnySearch::Thin(Layer& layer) {
  const size_t N = Servers();
  std::vector<double> bounds;
  for (const Label& label : layer.labels) bounds.push_back(label.bound);
  const auto middle = bounds.begin() + static_cast<std::ptrdiff_t>(kSpare * width_);
  std::nth_element(bounds.begin(), middle, bounds.end());
  layer.limit = *middle;
  size_t kept = 0;
  for (size_t i = 0; i < layer.labels.size(); ++i) {
    if (layer.labels[i].bound >= layer.limit) continue;
    layer.labels[kept] = layer.labels[i];
    std::copy_n(layer.room.begin() + static_cast<std::ptrdiff_t>(i * N), N,
                layer.room.begin() + static_cast<std::ptrdiff_t>(kept * N));
    ++kept;
  }
  layer.labels.resize(kept);
  layer.room.resize(kept * N);
  Lower(layer.limit);
}

void AnySearch::Reduce(Layer& layer) {
  const size_t N = Servers();
  std::vector<size_t> order;
  for (size_t i = 0; i < layer.labels.size(); ++i)
    if (layer.labels[i].bound < cutoff_) order.push_back(i);
  std::vector<char> beaten(layer.labels.size(), 0);
  BeatEqualRooms(layer, order, beaten);
  std::erase_if(order, [&](size_t i) { return beaten[i] != 0; });
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Label &x = layer.labels[a], &y = layer.labels[b];
    if (x.bound != y.bound) return x.bound < y.bound;
    if (x.cost != y.cost) return x.cost < y.cost;
    return a < b;
  });
  BeatByBest(layer, order, beaten);
  Layer kept;
  for (const size_t i : order) {
    if (beaten[i]) continue;
    if (kept.labels.size() >= width_) {
      Lower(layer.labels[i].bound);
      break;  // the others have bounds that are no less
    }
    kept.labels.push_back(layer.labels[i]);
    kept.room.insert(kept.room.end(), &layer.room[i * N], &layer.room[i * N] + N);
  }
  layer = std::move(kept);
  labels_held_ += static_cast<int64_t>(layer.labels.size());
  if (labels_held_ * static_cast<int64_t>(sizeof(Label)) > kMostBytes) {
    out_of_memory_ = true;
    width_ = std::min<size_t>(width_, 1000);
  }
}

void AnySearch::Trace(const Label& last) {
  incumbent_.server.assign(static_cast<size_t>(in_.units), 0);
  incumbent_.type = incumbent_.server;
  Label label = last;
  for (int u = in_.units - 1; u >= 0; --u) {
    incumbent_.server[static_cast<size_t>(u)] = label.server;
    incumbent_.type[static_cast<size_t>(u)] =
        in_.Items(u, label.server)[static_cast<size_t>(label.item)].type;
    if (u > 0) label = layers_[static_cast<size_t>(u)].labels[static_cast<size_t>(label.parent)];
  }
}

}  // namespace dilemma
