#include "planner/random_problem.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

// SplitMix64: small, and the same everywhere (the standard distributions are not).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0x632BE59BD9B4E019ULL) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double Uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(Next() >> 11) * 0x1.0p-53;
  }
  bool Chance(double p) { return Uniform(0, 1) < p; }

 private:
  uint64_t state_;
};

void DrawUnits(const RandomShape& shape, Random& random, Problem& p) {
  for (int u = 0; u < p.units; ++u) {
    const double size = random.Uniform(0.5, 2.0) * 1e6, sensitivity = random.Uniform(0.2, 2.0);
    for (int q = 0; q < p.types; ++q) {
      const size_t uq = p.Uq(u, q);
      const double bits = 8.0 / (q + 1);
      p.offered[uq] = !(shape.ragged && q != u % p.types && random.Chance(0.3));
      p.weight_bytes[uq] = static_cast<int64_t>(size * bits * random.Uniform(0.95, 1.05) / 8);
      p.loss[uq] = q == 0 ? 0 : sensitivity * std::pow(2.0, q) * random.Uniform(0.8, 1.2);
      p.type_names[uq] = "type" + std::to_string(q);
    }
  }
}

void DrawTimes(const RandomShape& shape, Random& random, Problem& p) {
  p.decode_steps = std::floor(random.Uniform(1, 20));
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    const double speed = random.Uniform(0.5, 4.0);
    for (int u = 0; u < p.units; ++u) {
      for (int q = 0; q < p.types; ++q) {
        const double size = static_cast<double>(p.weight_bytes[p.Uq(u, q)]);
        p.compute.decode_s[p.At(u, n, q)] = size * 1e-9 / speed * random.Uniform(0.8, 1.3);
        p.compute.prefill_s[p.At(u, n, q)] = size * 4e-9 / speed * random.Uniform(0.8, 1.3);
      }
    }
    p.entry.prefill_s[i] = random.Uniform(1e-4, 5e-3);
    p.exit.prefill_s[i] = random.Uniform(1e-4, 5e-3);
    if (shape.stage_costs) {
      p.stage.decode_s[i] = random.Uniform(1e-5, 5e-4);
      p.stage.prefill_s[i] = random.Uniform(1e-5, 5e-4);
    }
    for (int m = 0; m < p.servers; ++m) {
      if (m == n) continue;
      const size_t nm = p.Nm(n, m);
      p.hop.decode_s[nm] = random.Uniform(5e-5, 2e-3);
      p.hop.prefill_s[nm] = p.hop.decode_s[nm] * random.Uniform(1, 5);
      p.link_busy.decode_s[nm] = p.hop.decode_s[nm] * 0.5;
      p.link_busy.prefill_s[nm] = p.hop.prefill_s[nm] * 0.5;
      if (shape.ring) p.ring.decode_s[nm] = random.Uniform(5e-5, 2e-3);
    }
  }
}

void DrawLimits(const RandomShape& shape, Random& random, Problem& p) {
  double total = 0, loss = 0;
  for (int u = 0; u < p.units; ++u) {
    double bytes = 0, worst = 0;
    for (int q = 0; q < p.types; ++q) {
      bytes += static_cast<double>(p.weight_bytes[p.Uq(u, q)]) / p.types;
      worst = std::max(worst, p.loss[p.Uq(u, q)]);
    }
    total += bytes;
    loss += worst;
    p.kv_bytes[static_cast<size_t>(u)] = static_cast<int64_t>(random.Uniform(0, 1e5));
    for (int n = 0; n < p.servers; ++n) p.fixed_bytes[p.Un(u, n)] = p.kv_bytes[static_cast<size_t>(u)];
  }
  p.loss_budget = loss * random.Uniform(0.2, 0.7) * shape.tightness;
  if (shape.size_budget)
    p.size_budget = static_cast<int64_t>(total * random.Uniform(0.6, 1.2) * std::min(1.0, shape.tightness));
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    p.memory_bytes[i] =
        static_cast<int64_t>(total * random.Uniform(0.5, 2.0) / p.servers * 1.3 * shape.tightness);
    if (shape.stage_costs) p.stage_bytes[i] = static_cast<int64_t>(random.Uniform(0, 2e5));
    if (shape.disk_limits)
      p.disk_bytes[i] =
          static_cast<int64_t>(static_cast<double>(p.memory_bytes[i]) * random.Uniform(0.6, 1.1));
    if (shape.busy_limits) p.busy_limit_s[i] = total * 1e-9 / p.servers * random.Uniform(0.3, 2.0);
    for (int u = 0; u < p.units; ++u)
      if (shape.pins && n != u % p.servers && random.Chance(0.2)) p.allowed[p.Un(u, n)] = 0;
  }
}

}  // namespace

Problem RandomProblem(const RandomShape& shape, uint64_t seed) {
  Random random(seed);
  Problem p;
  p.Resize(shape.units, shape.servers, shape.types);
  p.one_block_per_server = shape.one_block_per_server;
  p.max_servers = shape.max_servers;
  p.objective = shape.objective;
  DrawUnits(shape, random, p);
  DrawTimes(shape, random, p);
  DrawLimits(shape, random, p);
  p.Fold();
  return p;
}

}  // namespace dilemma
