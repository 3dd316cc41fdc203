#include "comparison/edge_instances.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/random.h"
#include "base/status.h"

namespace dilemma {
namespace {

struct Line {
  double latency_s, bits_per_s;
};
Line DrawLine(Draw& draw) { return {draw.LogUniform(0.2e-3, 20e-3), draw.LogUniform(1e7, 1e9)}; }

// Weights of each unit.
std::vector<double> UnitSizes(const EdgeShape& shape) {
  std::vector<double> sizes(static_cast<size_t>(shape.layers), shape.weights_per_layer);
  if (shape.ends) {
    sizes.insert(sizes.begin(), 3.7 * shape.weights_per_layer);
    sizes.push_back(2.3 * shape.weights_per_layer);
  }
  return sizes;
}

void DrawLoss(const EdgeShape& shape, Draw& draw, Problem& p) {
  std::vector<double> sensitivity;
  for (int u = 0; u < p.units; ++u) sensitivity.push_back(draw.LogNormal(0.7));
  const auto last = sensitivity.size() - 1;
  sensitivity[0] *= 4;
  sensitivity[1] *= 2;
  sensitivity[last] *= 4;
  sensitivity[last - 1] *= 2;
  double at_four = 0;
  for (int q = 0; q < p.types; ++q) {
    const int bits = shape.bits[static_cast<size_t>(q)];
    for (int u = 0; u < p.units; ++u) {
      const double noise = draw.LogNormal(0.1);
      p.loss[p.Uq(u, q)] =
          bits >= 16 ? 0 : sensitivity[static_cast<size_t>(u)] * std::pow(4.0, 4 - bits) * noise;
      if (bits == 4) at_four += p.loss[p.Uq(u, q)];
    }
  }
  p.loss_budget = shape.loss_factor * at_four;
}

void DrawServers(const EdgeShape& shape, Draw& draw, Problem& p) {
  double all_at_four = 0, largest = 0, share = 0;
  for (int u = 0; u < p.units; ++u) {
    for (int q = 0; q < p.types; ++q) {
      if (shape.bits[static_cast<size_t>(q)] != 4) continue;
      const auto bytes = static_cast<double>(p.Bytes(u, 0, q));
      all_at_four += bytes;
      largest = std::max(largest, bytes);
    }
  }
  std::vector<double> memory;
  for (int n = 0; n < p.servers; ++n) {
    memory.push_back(draw.LogUniform(1, 4));
    share += memory.back();
  }
  const double slowest = shape.weights_per_layer < 5e7 ? 5e9 : 20e9;  // bytes of weights a second
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    const double bytes = memory[i] / share * shape.memory_factor * all_at_four;
    p.memory_bytes[i] =
        static_cast<int64_t>(std::max(bytes, 1.05 * (shape.ends ? all_at_four / p.units : largest)));
    const double speed = draw.LogUniform(slowest, 10 * slowest);
    for (int q = 0; q < p.types; ++q) {
      const double over = shape.bits[static_cast<size_t>(q)] >= 16 ? 1 : draw.Uniform(1, 1.1);
      for (int u = 0; u < p.units; ++u) {
        const double kv = static_cast<double>(p.fixed_bytes[p.Un(u, n)]);
        // the embedding looks rows up; it costs a row's time, not its size
        const bool lookup = shape.ends && u == 0;
        p.compute.decode_s[p.At(u, n, q)] =
            (lookup ? 0 : (static_cast<double>(p.weight_bytes[p.Uq(u, q)]) + kv / 2) / speed * over) + 2e-5;
      }
    }
  }
}

void DrawLinks(const EdgeShape& shape, Draw& draw, Problem& p) {
  const double message = shape.hidden * 2 + 64, token = 68;
  for (int n = 0; n < p.servers; ++n) {
    for (int m = n + 1; m < p.servers; ++m) {
      const Line line = DrawLine(draw);
      for (const size_t nm : {p.Nm(n, m), p.Nm(m, n)}) {
        p.hop.decode_s[nm] = line.latency_s + message * 8 / line.bits_per_s;
        if (shape.ring) p.ring.decode_s[nm] = line.latency_s + token * 8 / line.bits_per_s;
      }
    }
  }
  for (int n = 0; n < p.servers; ++n) {
    const Line line = DrawLine(draw);
    p.entry.decode_s[static_cast<size_t>(n)] = line.latency_s + message * 8 / line.bits_per_s;
    p.exit.decode_s[static_cast<size_t>(n)] = 0.9 * p.entry.decode_s[static_cast<size_t>(n)];
  }
}

}  // namespace

absl::StatusOr<EdgeShape> ParseEdgeShape(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(std::string(text), 'x');
  EdgeShape shape;
  int types = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &shape.layers) ||
      !absl::SimpleAtoi(parts[1], &shape.servers) || !absl::SimpleAtoi(parts[2], &types) || shape.servers < 1)
    return InvalidArgument("'{}' is not a size; write layers x servers x types, like 24x5x4", text);
  switch (shape.layers) {
    case 24:
      break;
    case 30:
      shape.weights_per_layer = 3.54e6, shape.hidden = 576, shape.kv_bytes_per_token = 768;
      break;
    case 32:
      shape.weights_per_layer = 218e6, shape.hidden = 4096, shape.kv_bytes_per_token = 4096;
      break;
    case 80:
      shape.weights_per_layer = 856e6, shape.hidden = 8192, shape.kv_bytes_per_token = 4096;
      break;
    default:
      return InvalidArgument("'{}': {} layers; known are 24, 30, 32 and 80", text, shape.layers);
  }
  if (types == 6) {
    shape.bits = {16, 8, 6, 5, 4, 3};
  } else if (types != 4) {
    return InvalidArgument("'{}': {} types; known are 4 and 6", text, types);
  }
  return shape;
}

Problem EdgeProblem(const EdgeShape& shape, uint64_t seed) {
  Draw draw(seed * 1000003 + static_cast<uint64_t>(shape.layers * 10007 + shape.servers * 101) +
            shape.bits.size());
  const std::vector<double> sizes = UnitSizes(shape);
  Problem p;
  p.Resize(static_cast<int>(sizes.size()), shape.servers, static_cast<int>(shape.bits.size()));
  p.one_block_per_server = shape.one_block_per_server;
  p.decode_steps = 1;
  for (int u = 0; u < p.units; ++u) {
    const bool end = shape.ends && (u == 0 || u == p.units - 1);
    p.kv_bytes[static_cast<size_t>(u)] =
        end ? 0 : static_cast<int64_t>(shape.kv_bytes_per_token * shape.context);
    for (int n = 0; n < p.servers; ++n) p.fixed_bytes[p.Un(u, n)] = p.kv_bytes[static_cast<size_t>(u)];
    for (int q = 0; q < p.types; ++q) {
      const int bits = shape.bits[static_cast<size_t>(q)];
      p.offered[p.Uq(u, q)] = 1;
      p.type_names[p.Uq(u, q)] = fmt::format("{} bits", bits);
      p.weight_bytes[p.Uq(u, q)] =  // a quarter of a bit for scales
          static_cast<int64_t>(sizes[static_cast<size_t>(u)] * (bits + (bits < 16 ? 0.25 : 0)) / 8);
    }
  }
  DrawServers(shape, draw, p);
  DrawLinks(shape, draw, p);
  DrawLoss(shape, draw, p);
  p.Fold();
  return p;
}

}  // namespace dilemma
