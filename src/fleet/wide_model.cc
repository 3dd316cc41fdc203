#include "fleet/wide_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dilemma {
namespace {

constexpr size_t kLargestCluster = 64;
constexpr double kShave = 1e-10;
constexpr int kSampled = 40;

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
  std::vector<double> middling;
  for (int u = 0; u < p.units; ++u) {
    for (int q = 0; q < p.types; ++q) {
      bytes_.push_back(static_cast<double>(p.weight_bytes[p.Uq(u, q)]));
      loss_.push_back(has_budget_ ? p.loss[p.Uq(u, q)] * unit : 0);
    }
    middling.clear();
    for (int n = 0; n < p.servers; ++n) {
      fixed_.push_back(static_cast<double>(p.fixed_bytes[p.Un(u, n)]));
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) {
          cost_[p.At(u, n, q)] = weight * p.Cost(u, n, q);
          middling.push_back(cost_[p.At(u, n, q)]);
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
  position_.resize(N_);
  for (const auto& members : clusters.members)
    for (size_t i = 0; i < members.size(); ++i)
      position_[static_cast<size_t>(members[i])] = static_cast<int>(i);
  for (int n = 0; n < p.servers; ++n) {
    const int c = clusters.of[static_cast<size_t>(n)];
    near_[static_cast<size_t>(n)].resize(clusters.members[static_cast<size_t>(c)].size());
    for (int m = 0; m < p.servers; ++m) {
      const double hop = weight * p.hop.request_s[p.Nm(n, m)];
      const int d = clusters.of[static_cast<size_t>(m)];
      if (d == c) {
        near_[static_cast<size_t>(n)][static_cast<size_t>(position_[static_cast<size_t>(m)])] = hop;
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
        if (cost_[(u * N_ + n) * Q_ + q] < kNever) smallest[u] = std::min(smallest[u], bytes_[u * Q_ + q]);
      prefix[u + 1] = prefix[u] + (smallest[u] == kNever ? 0 : smallest[u] + fixed_[u * N_ + n]);
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

void WideModel::MakeCosts(const std::vector<double>& memory, double mu) {
  price_ = memory;
  mu_ = mu;
  ChooseOwnPrices(mu);
  const size_t U = static_cast<size_t>(U_);
  prefix_.resize(N_ * kPrices * (U + 1));
  for (const int server : active_) {
    const auto n = static_cast<size_t>(server);
    for (size_t i = 0; i < kPrices; ++i) {
      const double price = price_[n] + own_[i];
      double* prefix = &prefix_[(n * kPrices + i) * (U + 1)];
      prefix[0] = 0;
      for (size_t u = 0; u < U; ++u) {
        const double* cost = &cost_[(u * N_ + n) * Q_];
        const double *bytes = &bytes_[u * Q_], *loss = &loss_[u * Q_];
        double least = kNever;
        for (size_t q = 0; q < Q_; ++q) least = std::min(least, cost[q] + mu * loss[q] + price * bytes[q]);
        prefix[u + 1] = prefix[u] + (least == kNever ? 0 : least + price * fixed_[u * N_ + n]);
      }
    }
  }
}

double WideModel::BlockCost(int n, int a, int k) const {
  const size_t U = static_cast<size_t>(U_), s = static_cast<size_t>(n);
  const double room = memory_[s] - stage_bytes_[s];
  double most = -kNever;
  for (size_t i = 0; i < kPrices; ++i) {
    const double* prefix = &prefix_[(s * kPrices + i) * (U + 1)];
    most = std::max(most, prefix[a + k] - prefix[a] - own_[i] * room);
  }
  return most + price_[s] * stage_bytes_[s];
}

void WideModel::Hop(const std::vector<double>& in, bool backward, std::vector<double>& out) const {
  const size_t C = clusters_.members.size();
  std::vector<double> best(C, kNever);  // of a cluster, the stage of the later server included going backward
  const auto cost = [&](int n) {
    return in[static_cast<size_t>(n)] + (backward ? stage_[static_cast<size_t>(n)] : 0);
  };
  for (size_t c = 0; c < C; ++c)
    for (const int n : active_members_[c]) best[c] = std::min(best[c], cost(n));
  for (size_t c = 0; c < C; ++c) {
    double far = kNever;
    for (size_t d = 0; d < C; ++d)
      if (d != c) far = std::min(far, best[d] + (backward ? between_[c * C + d] : between_[d * C + c]));
    for (const int m : active_members_[c]) {
      double least = far;
      for (const int n : active_members_[c]) {
        if (n == m) continue;
        const auto from = static_cast<size_t>(backward ? m : n), to = static_cast<size_t>(backward ? n : m);
        const double hop = near_[from][static_cast<size_t>(position_[to])];
        least = std::min(least, cost(n) + hop);
      }
      out[static_cast<size_t>(m)] = least + (backward ? 0 : stage_[static_cast<size_t>(m)]);
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
    sum += bytes_[best] + fixed_[static_cast<size_t>(u) * N_ + s];
    loss += loss_[best];
  }
  return sum;
}

WideModel::Path WideModel::Solve(const std::vector<double>& memory, double mu,
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
  for (auto* table : {&begin_, &after_}) {
    table->resize(U + 1);
    for (std::vector<double>& row : *table) row.assign(N_, kNever);
  }
  std::vector<std::vector<int>> length(U, std::vector<int>(N_, 0));
  for (const int n : active_) after_[U][static_cast<size_t>(n)] = last_[static_cast<size_t>(n)];
  for (int l = U_ - 1; l >= 0; --l) {
    for (const int server : active_) {
      const auto n = static_cast<size_t>(server);
      const int reach = reach_[n * U + static_cast<size_t>(l)];
      double least = kNever;
      for (int k = 1; k <= reach; ++k) {
        const double rest = after_[static_cast<size_t>(l + k)][n];
        if (rest >= least) continue;  // blocks cost at least 0
        const double value = BlockCost(static_cast<int>(n), l, k) + rest;
        if (value < least) {
          least = value;
          length[static_cast<size_t>(l)][n] = k;
        }
      }
      begin_[static_cast<size_t>(l)][n] = least;
    }
    if (l > 0) Hop(begin_[static_cast<size_t>(l)], true, after_[static_cast<size_t>(l)]);
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
    double own = 0;
    const double room_here = memory_[static_cast<size_t>(n)] - stage_bytes_[static_cast<size_t>(n)];
    for (size_t i = 0; i < kPrices; ++i) {
      const double* prefix = &prefix_[(static_cast<size_t>(n) * kPrices + i) * (U + 1)];
      if (prefix[l + k] - prefix[l] - own_[i] * room_here +
              price_[static_cast<size_t>(n)] * stage_bytes_[static_cast<size_t>(n)] >=
          cost)
        own = own_[i];
    }
    path.servers.push_back(n);
    path.bytes.push_back(Use(n, l, k, own, mu, path.loss) + stage_bytes_[static_cast<size_t>(n)]);
    l += k;
    if (l >= U_) break;
    // the next server: the least begin + hop
    const size_t C = clusters_.members.size();
    const auto c = static_cast<size_t>(clusters_.of[static_cast<size_t>(n)]);
    double least = kNever;
    int next = -1;
    for (size_t m = 0; m < N_; ++m) {
      if (static_cast<int>(m) == n) continue;
      const auto d = static_cast<size_t>(clusters_.of[m]);
      const double hop =
          d == c ? near_[static_cast<size_t>(n)][static_cast<size_t>(position_[m])] : between_[c * C + d];
      if (const double value = hop + stage_[m] + begin_[static_cast<size_t>(l)][m]; value < least) {
        least = value;
        next = static_cast<int>(m);
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
