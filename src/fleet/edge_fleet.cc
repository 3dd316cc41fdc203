#include "fleet/edge_fleet.h"

#include <algorithm>
#include <array>

#include "base/random.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr std::array kBits = {16, 8, 6, 5, 4, 3};
constexpr size_t kFourBits = 4;
constexpr int kContext = 1024;

struct Kind {
  const char* name;
  int layers;
  double weights_per_layer;
  int hidden;
  double kv_bytes_per_token;  // of one layer
};
constexpr std::array kKinds = {Kind{"1B", 24, 50e6, 2048, 2048}, Kind{"3B", 30, 100e6, 3072, 2048},
                               Kind{"8B", 32, 218e6, 4096, 4096}, Kind{"30B", 60, 500e6, 6656, 4096},
                               Kind{"70B", 80, 856e6, 8192, 4096}};
constexpr size_t kSmallKinds = 3;

struct Line {
  double latency_s = 0, bits_per_s = 0;
};

// What all models see alike.
struct World {
  struct Server {
    double bytes_per_s = 0;
    std::array<double, kBits.size()> over = {};  // time of a type over that of its bytes
    int64_t memory_bytes = 0;
    Line access;        // of users
    double uplink = 0;  // bits a second out of the site
    int site = 0;
  };
  std::vector<Server> servers;
  std::vector<std::string> names;
  std::vector<Line> between;  // [site][site]
  int sites = 1;
  uint64_t seed = 0;

  std::vector<Line> lines;  // [n][m], so that they are drawn once
  const Line& Between(int n, int m) const {
    return lines[static_cast<size_t>(n) * servers.size() + static_cast<size_t>(m)];
  }
  Line DrawBetween(int n, int m) const {
    const auto low = static_cast<uint64_t>(std::min(n, m)), high = static_cast<uint64_t>(std::max(n, m));
    const Server &a = servers[static_cast<size_t>(n)], &b = servers[static_cast<size_t>(m)];
    Draw draw(seed * 7919 + low * 1000003 + high);
    if (sites == 1) return {draw.LogUniform(0.2e-3, 20e-3), draw.LogUniform(1e7, 1e9)};
    if (a.site == b.site) return {draw.LogUniform(0.1e-3, 0.5e-3), draw.LogUniform(1e9, 1e10)};
    Line line = between[static_cast<size_t>(a.site * sites + b.site)];
    line.bits_per_s = std::min({line.bits_per_s, a.uplink, b.uplink});
    return line;
  }
};

double Seconds(const Line& line, double bytes) { return line.latency_s + bytes * 8 / line.bits_per_s; }

class EdgeModel : public FleetModel {
 public:
  EdgeModel(std::string name, double weight, const Kind& kind, double loss_factor, bool ring,
            std::shared_ptr<const World> world, Draw draw)
      : FleetModel(std::move(name), weight), kind_(kind), ring_(ring), world_(std::move(world)) {
    double at_four = 0;
    for (int u = 0; u < units(); ++u) {
      const bool first = u <= 1, last = u >= units() - 2;
      const double sensitivity = draw.LogNormal(0.7) * (first || last ? 3 : 1);
      for (size_t q = 0; q < kBits.size(); ++q) {
        const double loss =
            kBits[q] >= 16 ? 0 : sensitivity * std::pow(4.0, 4 - kBits[q]) * draw.LogNormal(0.1);
        loss_.push_back(loss);
        if (q == kFourBits) at_four += loss;
      }
    }
    budget_ = loss_factor * at_four;
  }

  // Embedding and head are units of their own.
  int units() const { return kind_.layers + 2; }
  double Weights(int u) const {
    return kind_.weights_per_layer * (u == 0 ? 1.5 : u == units() - 1 ? 1.2 : 1);
  }
  int64_t Bytes(int u, size_t q) const {  // a quarter of a bit for scales
    return static_cast<int64_t>(Weights(u) * (kBits[q] + (kBits[q] < 16 ? 0.25 : 0)) / 8);
  }
  int64_t KvBytes(int u) const {
    return u == 0 || u == units() - 1 ? 0 : static_cast<int64_t>(kind_.kv_bytes_per_token * kContext);
  }

  Problem Over(absl::Span<const int> servers) const override {
    Problem p;
    p.Resize(units(), static_cast<int>(servers.size()), static_cast<int>(kBits.size()));
    p.loss_budget = budget_;
    p.loss = loss_;
    for (int u = 0; u < p.units; ++u) {
      p.kv_bytes[static_cast<size_t>(u)] = KvBytes(u);
      for (size_t q = 0; q < kBits.size(); ++q) {
        const size_t uq = p.Uq(u, static_cast<int>(q));
        p.offered[uq] = 1;
        p.weight_bytes[uq] = Bytes(u, q);
        p.type_names[uq] = fmt::format("{} bits", kBits[q]);
      }
    }
    for (int i = 0; i < p.servers; ++i) AddServer(servers, i, p);
    p.Fold();
    return p;
  }

 private:
  void AddServer(absl::Span<const int> servers, int i, Problem& p) const {
    const auto j = static_cast<size_t>(i);
    const auto n = static_cast<size_t>(servers[j]);
    const World::Server& server = world_->servers[n];
    p.server_names[j] = world_->names[n];
    p.memory_bytes[j] = server.memory_bytes;
    p.stage_bytes[j] = int64_t{8} << 20;
    p.stage.decode_s[j] = 5e-5;
    const double message = kind_.hidden * 2 + 64, token = 68;
    p.entry.decode_s[j] = Seconds(server.access, token);
    p.exit.decode_s[j] = 0.9 * p.entry.decode_s[j];
    for (int u = 0; u < p.units; ++u) {
      p.fixed_bytes[p.Un(u, i)] = KvBytes(u);
      for (size_t q = 0; q < kBits.size(); ++q) {
        const double read = static_cast<double>(Bytes(u, q)) + static_cast<double>(KvBytes(u)) / 2;
        // the embedding looks rows up; it costs a row's time, not its size
        p.compute.decode_s[p.At(u, i, static_cast<int>(q))] =
            (u == 0 ? 0 : read / server.bytes_per_s * server.over[q]) + 2e-5;
      }
    }
    for (int m = 0; m < p.servers; ++m) {
      if (m == i) continue;
      const Line line = world_->Between(servers[j], servers[static_cast<size_t>(m)]);
      p.hop.decode_s[p.Nm(i, m)] = Seconds(line, message);
      if (ring_) p.ring.decode_s[p.Nm(i, m)] = Seconds(line, token);
    }
  }

  const Kind kind_;
  const bool ring_;
  const std::shared_ptr<const World> world_;
  std::vector<double> loss_;  // [u][q]
  double budget_ = 0;
};

void DrawWorld(const FleetShape& shape, Draw& draw, World& world) {
  world.sites = shape.sites;
  for (int a = 0; a < shape.sites * shape.sites; ++a)
    world.between.push_back({draw.LogUniform(2e-3, 30e-3), draw.LogUniform(5e7, 1e9)});
  for (int a = 0; a < shape.sites; ++a)  // the same in both directions
    for (int b = 0; b < a; ++b)
      world.between[static_cast<size_t>(a * shape.sites + b)] =
          world.between[static_cast<size_t>(b * shape.sites + a)];
  for (int n = 0; n < shape.servers; ++n) {
    World::Server server;
    server.site = static_cast<int>(int64_t{n} * shape.sites / shape.servers);
    server.bytes_per_s = draw.LogUniform(20e9, 200e9);
    for (size_t q = 0; q < kBits.size(); ++q) server.over[q] = kBits[q] >= 16 ? 1 : draw.Uniform(1, 1.1);
    server.access = {draw.LogUniform(0.5e-3, 20e-3), draw.LogUniform(1e7, 1e9)};
    server.uplink = draw.LogUniform(2e8, 2e9);
    world.servers.push_back(server);
    world.names.push_back(shape.sites == 1 ? fmt::format("server-{}", n)
                                           : fmt::format("site-{}-server-{}", server.site, n));
  }
  for (int n = 0; n < shape.servers; ++n)
    for (int m = 0; m < shape.servers; ++m) world.lines.push_back(world.DrawBetween(n, m));
}

}  // namespace

Fleet EdgeFleet(const FleetShape& shape, uint64_t seed) {
  Draw draw(seed * 1000003 + static_cast<uint64_t>(shape.models * 10007 + shape.servers * 101 + shape.sites));
  auto world = std::make_shared<World>();
  world->seed = seed;
  DrawWorld(shape, draw, *world);
  Fleet fleet;
  double all = 0, largest = 0;
  for (int k = 0; k < shape.models; ++k) {
    const size_t kinds = shape.large_models ? kKinds.size() : kSmallKinds;
    const Kind& kind =
        kKinds[std::min(kinds - 1, static_cast<size_t>(draw.Uniform(0, static_cast<double>(kinds))))];
    const double weight = draw.LogUniform(0.5, 2);
    const auto own = static_cast<uint64_t>(draw.Uniform(0, 1e9));
    auto model = std::make_shared<EdgeModel>(fmt::format("{}-{}", kind.name, k), weight, kind,
                                             shape.loss_factor, shape.ring, world, Draw(own));
    for (int u = 0; u < model->units(); ++u) {
      const auto bytes = static_cast<double>(model->Bytes(u, kFourBits) + model->KvBytes(u));
      all += bytes;
      largest = std::max(largest, bytes);
    }
    fleet.models.push_back(std::move(model));
  }
  std::vector<double> shares;
  double sum = 0;
  for (int n = 0; n < shape.servers; ++n) sum += shares.emplace_back(draw.LogUniform(1, 4));
  for (size_t n = 0; n < shares.size(); ++n)
    world->servers[n].memory_bytes =
        static_cast<int64_t>(std::max(1.1 * largest, shares[n] / sum * shape.memory_factor * all));
  fleet.server_names = world->names;
  for (const World::Server& server : world->servers) fleet.memory_bytes.push_back(server.memory_bytes);
  fleet.disk_bytes.assign(shares.size(), kNoLimit);
  fleet.busy_limit_s.assign(shares.size(), kNever);
  return fleet;
}

}  // namespace dilemma
