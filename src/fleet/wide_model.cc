#include "fleet/wide_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

// Compiled for several machines; without fused operations, so that all of them say the same.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define DILEMMA_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define DILEMMA_VECTORS
#endif

namespace dilemma {
namespace {

constexpr size_t kLargestCluster = 64;
constexpr double kShave = 1e-10;
constexpr int kSampled = 40;

// One value for each price of a block's own memory.
using Lanes = double __attribute__((vector_size(32)));
inline void Load(const double* from, Lanes& to) { to = Lanes{from[0], from[1], from[2], from[3]}; }
inline void Lower(Lanes& least, const Lanes& value) { least = value < least ? value : least; }

}  // namespace

Clusters FindClusters(const Problem& p) {
  Clusters clusters;
  const int N = p.servers;
  clusters.of.assign(static_cast<size_t>(N), -1);
  std::vector<double> limits;  // where the hops of a server jump most
  for (int i = 0; i < std::min(N, kSampled); ++i) {
    const int n = static_cast<int>(int64_t{i} * N / std::min(N, kSampled));
    std::vector<double> hops;
    for (int m = 0; m < N; ++m)
      if (m != n) hops.push_back(std::max(1e-9, p.hop.request_s[p.Nm(n, m)]));
    std::sort(hops.begin(), hops.end());
    double jump = 1;
    double limit = hops.empty() ? 0 : hops.back();
    for (size_t j = 0; j + 1 < hops.size() && j < kLargestCluster; ++j)
      if (hops[j + 1] / hops[j] > jump) {
        jump = hops[j + 1] / hops[j];
        limit = std::sqrt(hops[j] * hops[j + 1]);
      }
    limits.push_back(limit);
  }
  std::nth_element(limits.begin(), limits.begin() + static_cast<ptrdiff_t>(limits.size() / 2), limits.end());
  const bool one = N <= static_cast<int>(kLargestCluster);
  const double limit = one ? kNever : limits[limits.size() / 2];
  for (int n = 0; n < N; ++n) {
    if (clusters.of[static_cast<size_t>(n)] >= 0) continue;
    const int c = static_cast<int>(clusters.members.size());
    clusters.members.emplace_back();
    for (int m = n; m < N && clusters.members.back().size() < kLargestCluster; ++m)
      if (clusters.of[static_cast<size_t>(m)] < 0 && (m == n || p.hop.request_s[p.Nm(n, m)] <= limit)) {
        clusters.of[static_cast<size_t>(m)] = c;
        clusters.members.back().push_back(m);
      }
  }
  return clusters;
}

WideModel::WideModel(const Problem& p, double weight, const Clusters& clusters)
    : clusters_(clusters), U_(p.units), N_(static_cast<size_t>(p.servers)), Q_(static_cast<size_t>(p.types)) {
  has_budget_ = std::isfinite(p.loss_budget);
  const double unit = has_budget_ && p.loss_budget > 0 ? 1 / p.loss_budget : 1;
  budget_slack_ = has_budget_ && p.loss_budget > 0 ? 1 + 1e-9 : 1e-9;  // as validate.h's tolerance
  cost_.assign(p.compute.size(), kNever);
  fixed_.resize(N_ * static_cast<size_t>(U_));
  std::vector<double> middling;
  for (int u = 0; u < p.units; ++u) {
    for (int q = 0; q < p.types; ++q) {
      bytes_.push_back(static_cast<double>(p.weight_bytes[p.Uq(u, q)]));
      loss_.push_back(has_budget_ ? p.loss[p.Uq(u, q)] * unit : 0);
    }
    middling.clear();
    for (int n = 0; n < p.servers; ++n) {
      const size_t at = static_cast<size_t>(n) * static_cast<size_t>(U_) + static_cast<size_t>(u);
      fixed_[at] = static_cast<double>(p.fixed_bytes[p.Un(u, n)]);
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) {
          middling.push_back(cost_[at * Q_ + static_cast<size_t>(q)] = weight * p.Cost(u, n, q));
        }
    }
    if (middling.empty()) continue;
    std::nth_element(middling.begin(), middling.begin() + static_cast<ptrdiff_t>(middling.size() / 2),
                     middling.end());
    typical_ += middling[middling.size() / 2];
  }
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    first_.push_back(weight * p.FirstCost(n));
    stage_.push_back(weight * p.stage.request_s[i]);
    stage_bytes_.push_back(static_cast<double>(p.stage_bytes[i]));
    own_memory_.push_back(static_cast<double>(p.memory_bytes[i]));
  }
  memory_ = own_memory_;
  LookAt({});
  MakeReach();
  for (int n = 0; n < p.servers; ++n) {
    double back = kNever;  // the least way home
    for (int f = 0; f < p.servers; ++f)
      if (f != n || reach_[static_cast<size_t>(n) * static_cast<size_t>(U_)] == U_)
        back = std::min(back, p.RingCost(n, f));
    last_.push_back(weight * (p.LastCost(n) + (back == kNever ? 0 : back)));
  }
  const size_t C = clusters.members.size();
  between_.assign(C * C, kNever);
  near_.resize(N_);
  nearby_.resize(N_);
  position_.resize(N_);
  for (size_t n = 0; n < N_; ++n) {
    const size_t size = clusters.members[static_cast<size_t>(clusters.of[n])].size();
    near_[n].resize(size);
    nearby_[n].resize(size);
  }
  for (const auto& members : clusters.members)
    for (size_t i = 0; i < members.size(); ++i)
      position_[static_cast<size_t>(members[i])] = static_cast<int>(i);
  for (int n = 0; n < p.servers; ++n) {
    const int c = clusters.of[static_cast<size_t>(n)];
    for (int m = 0; m < p.servers; ++m) {
      const double hop = weight * p.hop.request_s[p.Nm(n, m)];
      const int d = clusters.of[static_cast<size_t>(m)];
      if (d == c) {
        const auto from = static_cast<size_t>(n), to = static_cast<size_t>(m);
        near_[from][static_cast<size_t>(position_[to])] = n == m ? kNever : hop;
        nearby_[to][static_cast<size_t>(position_[from])] = n == m ? kNever : hop;
      } else {
        double& least = between_[static_cast<size_t>(c) * C + static_cast<size_t>(d)];
        least = std::min(least, hop);
      }
    }
  }
}

// Longest blocks by the smallest types.
void WideModel::MakeReach() {
  const size_t U = static_cast<size_t>(U_);
  least_prefix_.assign(N_ * (U + 1), 0);
  reach_.assign(N_ * U, 0);
  std::vector<double> smallest(U, kNever);
  for (size_t n = 0; n < N_; ++n) {
    double* prefix = &least_prefix_[n * (U + 1)];
    for (size_t u = 0; u < U; ++u) {
      smallest[u] = kNever;
      for (size_t q = 0; q < Q_; ++q)
        if (cost_[(n * U + u) * Q_ + q] < kNever) smallest[u] = std::min(smallest[u], bytes_[u * Q_ + q]);
      prefix[u + 1] = prefix[u] + (smallest[u] == kNever ? 0 : smallest[u] + fixed_[n * U + u]);
    }
    size_t b = 0;
    for (size_t a = 0; a < U; ++a) {
      b = std::max(b, a);
      while (b < U && smallest[b] < kNever && prefix[b + 1] - prefix[a] <= memory_[n] - stage_bytes_[n]) ++b;
      reach_[n * U + a] = static_cast<int>(b - a);
    }
  }
}

// Prices of memory at which blocks that fill their server choose smaller types: quantiles of what one byte
// less costs.
void WideModel::ChooseOwnPrices(double mu) {
  std::vector<double> slopes;
  for (int u = 0; u < U_; u += std::max(1, U_ / 16))
    for (size_t n = 0; n < N_; n += std::max<size_t>(1, N_ / 16))
      for (size_t q = 0; q + 1 < Q_; ++q) {
        const size_t at = static_cast<size_t>(u) * Q_ + q;
        const double fewer = bytes_[at] - bytes_[at + 1];
        const double a = Item(u, static_cast<int>(n), static_cast<int>(q)),
                     b = Item(u, static_cast<int>(n), static_cast<int>(q) + 1);
        if (fewer <= 0 || a == kNever || b == kNever) continue;
        const double slope = (b + mu * loss_[at + 1] - a - mu * loss_[at]) / fewer;
        if (slope > 0) slopes.push_back(slope);
      }
  std::fill(own_, own_ + kPrices, 0.0);
  if (slopes.empty()) return;
  std::sort(slopes.begin(), slopes.end());
  for (int i = 1; i < kPrices; ++i)
    own_[i] = slopes[slopes.size() * static_cast<size_t>(2 * i - 1) / (2 * (kPrices - 1))];
}

DILEMMA_VECTORS void WideModel::MakeCosts(const std::vector<double>& memory, double mu) {
  price_ = memory;
  mu_ = mu;
  ChooseOwnPrices(mu);
  const size_t U = static_cast<size_t>(U_);
  prefix_.resize(N_ * kPrices * (U + 1));
  Lanes own{};
  Load(own_, own);
  for (const int server : active_) {
    const auto n = static_cast<size_t>(server);
    const double price = price_[n];
    double* prefix = &prefix_[n * (U + 1) * kPrices];
    Lanes sum{};
    std::fill(prefix, prefix + kPrices, 0.0);
    for (size_t u = 0; u < U; ++u) {
      const double* cost = &cost_[(n * U + u) * Q_];
      const double *bytes = &bytes_[u * Q_], *loss = &loss_[u * Q_];
      Lanes least = Lanes{} + kNever;
      for (size_t q = 0; q < Q_; ++q)
        Lower(least, (cost[q] + mu * loss[q] + price * bytes[q]) + own * bytes[q]);
      if (least[0] < kNever) sum += least + (own + price) * fixed_[n * U + u];
      prefix += kPrices;
      for (size_t i = 0; i < kPrices; ++i) prefix[i] = sum[i];
    }
  }
}

double WideModel::BlockCost(int n, int a, int k) const {
  const size_t U = static_cast<size_t>(U_), s = static_cast<size_t>(n);
  const double room = memory_[s] - stage_bytes_[s];
  const double* begin = &prefix_[(s * (U + 1) + static_cast<size_t>(a)) * kPrices];
  const double* end = begin + static_cast<size_t>(k) * kPrices;
  double most = -kNever;
  for (size_t i = 0; i < kPrices; ++i) most = std::max(most, end[i] - begin[i] - own_[i] * room);
  return most + price_[s] * stage_bytes_[s];
}

DILEMMA_VECTORS void WideModel::Hop(const std::vector<double>& in, bool backward,
                                    std::vector<double>& out) const {
  const size_t C = clusters_.members.size();
  std::vector<double> best(C, kNever);  // of a cluster, the stage of the later server included going backward
  std::vector<std::array<double, kLargestCluster>> costs(C);  // by position in the cluster
  for (size_t c = 0; c < C; ++c) {
    costs[c].fill(kNever);
    for (const int m : active_members_[c]) {
      const auto n = static_cast<size_t>(m);
      const double cost = in[n] + (backward ? stage_[n] : 0);
      costs[c][static_cast<size_t>(position_[n])] = cost;
      best[c] = std::min(best[c], cost);
    }
  }
  for (size_t c = 0; c < C; ++c) {
    double far = kNever;
    for (size_t d = 0; d < C; ++d)
      if (d != c) far = std::min(far, best[d] + (backward ? between_[c * C + d] : between_[d * C + c]));
    const size_t size = clusters_.members[c].size();
    for (const int server : active_members_[c]) {
      const auto m = static_cast<size_t>(server);
      const double* hop = backward ? near_[m].data() : nearby_[m].data();
      Lanes least = Lanes{} + far, before{}, way{};
      size_t i = 0;
      for (; i + kPrices <= size; i += kPrices) {
        Load(&costs[c][i], before);
        Load(hop + i, way);
        Lower(least, before + way);
      }
      double rest = std::min(std::min(least[0], least[1]), std::min(least[2], least[3]));
      for (; i < size; ++i) rest = std::min(rest, costs[c][i] + hop[i]);
      out[m] = rest + (backward ? 0 : stage_[m]);
    }
  }
}

double WideModel::Use(int n, int a, int k, double own, double mu, double& loss) const {
  const size_t s = static_cast<size_t>(n);
  double sum = 0;
  for (int u = a; u < a + k; ++u) {
    size_t best = 0;
    double least = kNever;
    for (size_t q = 0; q < Q_; ++q) {
      const size_t uq = static_cast<size_t>(u) * Q_ + q;
      const double value = Item(u, n, static_cast<int>(q)) + mu * loss_[uq] + (price_[s] + own) * bytes_[uq];
      if (value < least) {
        least = value;
        best = uq;
      }
    }
    sum += bytes_[best] + fixed_[s * static_cast<size_t>(U_) + static_cast<size_t>(u)];
    loss += loss_[best];
  }
  return sum;
}

DILEMMA_VECTORS WideModel::Path WideModel::Solve(const std::vector<double>& memory, double mu,
                                                 const std::vector<int64_t>* room) {
  const size_t U = static_cast<size_t>(U_);
  std::vector<double> now = own_memory_;
  if (room != nullptr)
    for (size_t n = 0; n < N_; ++n) now[n] = std::min(now[n], static_cast<double>((*room)[n]));
  if (now != memory_) {
    memory_ = std::move(now);
    MakeReach();
  }
  MakeCosts(memory, mu);
  begin_.resize(U);
  for (std::vector<double>& row : begin_) row.assign(N_, kNever);
  after_.assign(N_ * (U + 1), kNever);
  std::vector<double> after(N_, kNever);
  std::vector<std::vector<int>> length(U, std::vector<int>(N_, 0));
  Lanes own{};
  Load(own_, own);
  for (const int n : active_) after_[static_cast<size_t>(n) * (U + 1) + U] = last_[static_cast<size_t>(n)];
  for (int l = U_ - 1; l >= 0; --l) {
    for (const int server : active_) {
      const auto n = static_cast<size_t>(server);
      const int reach = reach_[n * U + static_cast<size_t>(l)];
      const double* end = &prefix_[(n * (U + 1) + static_cast<size_t>(l)) * kPrices];
      Lanes begin{}, cost{};
      Load(end, begin);
      begin += own * (memory_[n] - stage_bytes_[n]) - price_[n] * stage_bytes_[n];
      const double* rests = &after_[n * (U + 1) + static_cast<size_t>(l)];
      double least = kNever;
      for (int k = 1; k <= reach; ++k) {
        end += kPrices;
        const double rest = rests[k];
        if (rest >= least) continue;  // blocks cost at least 0
        Load(end, cost);
        cost -= begin;
        const double value = std::max(std::max(cost[0], cost[1]), std::max(cost[2], cost[3])) + rest;
        if (value < least) {
          least = value;
          length[static_cast<size_t>(l)][n] = k;
        }
      }
      begin_[static_cast<size_t>(l)][n] = least;
    }
    if (l == 0) break;
    Hop(begin_[static_cast<size_t>(l)], true, after);
    for (const int n : active_)
      after_[static_cast<size_t>(n) * (U + 1) + static_cast<size_t>(l)] = after[static_cast<size_t>(n)];
  }
  Path path;
  int n = -1;
  for (size_t m = 0; m < N_; ++m)
    if (const double value = first_[m] + begin_[0][m]; value < path.value) {
      path.value = value;
      n = static_cast<int>(m);
    }
  if (n < 0) return path;
  for (int l = 0; l < U_;) {
    const int k = length[static_cast<size_t>(l)][static_cast<size_t>(n)];
    const double cost = BlockCost(n, l, k);
    double own_price = 0;
    const double room_here = memory_[static_cast<size_t>(n)] - stage_bytes_[static_cast<size_t>(n)];
    for (size_t i = 0; i < kPrices; ++i) {
      const double* prefix = &prefix_[static_cast<size_t>(n) * (U + 1) * kPrices + i];
      if (prefix[(l + k) * kPrices] - prefix[l * kPrices] - own_[i] * room_here +
              price_[static_cast<size_t>(n)] * stage_bytes_[static_cast<size_t>(n)] >=
          cost)
        own_price = own_[i];
    }
    path.blocks.push_back({n, l, k});
    path.bytes.push_back(Use(n, l, k, own_price, mu, path.loss) + stage_bytes_[static_cast<size_t>(n)]);
    l += k;
    if (l >= U_) break;
    double least = kNever;  // the next server: the least begin + hop
    int next = -1;
    for (const int m : active_) {
      if (m == n) continue;
      const auto t = static_cast<size_t>(m);
      if (const double value = HopCost(n, m) + stage_[t] + begin_[static_cast<size_t>(l)][t]; value < least) {
        least = value;
        next = m;
      }
    }
    n = next;
  }
  path.value -= has_budget_ ? mu * budget_slack_ : 0;
  path.value -= kShave * (std::abs(path.value) + mu);
  return path;
}

void WideModel::LookAt(const std::vector<int>& servers) {
  active_ = servers;
  if (servers.empty()) {
    active_.resize(N_);
    std::iota(active_.begin(), active_.end(), 0);
  }
  active_members_.assign(clusters_.members.size(), {});
  for (const int n : active_)
    active_members_[static_cast<size_t>(clusters_.of[static_cast<size_t>(n)])].push_back(n);
}

std::vector<double> WideModel::Through() {
  const size_t U = static_cast<size_t>(U_);
  std::vector<double> through(N_, kNever);
  std::vector<std::vector<double>> enter(U, std::vector<double>(N_, kNever)),
      done(U + 1, std::vector<double>(N_, kNever));
  enter[0] = first_;
  for (int l = 0; l < U_; ++l) {
    const auto at = static_cast<size_t>(l);
    if (l > 0) Hop(done[at], false, enter[at]);
    for (const int server : active_) {
      const auto n = static_cast<size_t>(server);
      if (enter[at][n] == kNever) continue;
      through[n] = std::min(through[n], enter[at][n] + begin_[at][n]);
      const int reach = reach_[n * U + at];
      for (int k = 1; k <= reach; ++k) {
        const double value = enter[at][n] + BlockCost(static_cast<int>(n), l, k);
        done[at + static_cast<size_t>(k)][n] = std::min(done[at + static_cast<size_t>(k)][n], value);
      }
    }
  }
  for (double& value : through)
    if (value < kNever) {
      value -= has_budget_ ? mu_ * budget_slack_ : 0;
      value -= kShave * (std::abs(value) + mu_);
    }
  return through;
}

}  // namespace dilemma
