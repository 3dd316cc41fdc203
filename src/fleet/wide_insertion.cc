#include "fleet/wide_insertion.h"

#include <algorithm>
#include <numeric>

namespace dilemma {
namespace {

constexpr size_t kBeamWidth = 48;
constexpr int kTries = 6;  // prices of loss, until types fit into what is left
constexpr double kMuStep = 1.6;
constexpr double kExactGap = 5e-3;
constexpr size_t kLeastServers = 8, kMoreServers = 6, kMostServers = 24;  // that the exact method looks at
constexpr double kLeastGain = 1e-4;  // of the joint objective, for another sweep

std::vector<double> PricesOf(const FleetPrices& prices, const Room& room) {
  return prices.memory.empty() ? std::vector<double>(room.memory.size(), 0.0) : prices.memory;
}

}  // namespace

// Models that cost most go in first.
WideInsertion::WideInsertion(const Fleet& fleet, const SolveOptions& options, std::vector<WideModel>& models,
                             const WidePrices& prices, FleetIncumbent& incumbent)
    : fleet_(fleet),
      models_(models),
      prices_(prices),
      incumbent_(incumbent),
      solver_(fleet, options),
      order_(models.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) {
    return models[static_cast<size_t>(a)].typical_cost() > models[static_cast<size_t>(b)].typical_cost();
  });
}

bool WideInsertion::Fits(int model, const Room& room, const Assignment& assignment) const {
  const Evaluation evaluation = EvaluateModel(fleet_, model, assignment);
  return evaluation.ok() && room.Holds(evaluation.servers);
}

Placed WideInsertion::Quick(int model, const Room& room, const FleetPrices& prices) {
  WideModel& wide = models_[static_cast<size_t>(model)];
  const std::vector<double> memory = PricesOf(prices, room);
  std::vector<int> servers;
  Placed placed;
  double mu = prices_.mu(model);
  for (int i = 0; i < kTries && !incumbent_.Stopped(); ++i, mu *= kMuStep) {
    if (wide.Solve(memory, mu, &room.memory).value == kNever) break;
    if (i == 0) {
      servers = wide.Best(WideModel::kBeamServers);
      wide.LookAt(servers);
    }
    const Assignment plan = wide.ChooseTypes(wide.Distinct(servers, kBeamWidth));
    if (plan.empty() || !Fits(model, room, plan)) continue;
    placed = solver_.At(model, plan, prices);
    break;
  }
  wide.LookAt({});
  return placed;
}

std::vector<int> WideInsertion::Servers(int model, const Room& room, const FleetPrices& prices,
                                        const Assignment& start) {
  WideModel& wide = models_[static_cast<size_t>(model)];
  const WideModel::Path path = wide.Solve(PricesOf(prices, room), prices_.mu(model), &room.memory);
  std::vector<int> chosen;
  for (const Placement& placement : start) chosen.push_back(placement.server);
  for (const WideModel::Block& block : path.blocks) chosen.push_back(block.server);
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  if (path.value == kNever) return chosen;
  const size_t most =
      std::max(chosen.size(), std::clamp(chosen.size() + kMoreServers, kLeastServers, kMostServers));
  for (const int n : wide.Best(most)) {
    if (chosen.size() >= most) break;
    if (std::find(chosen.begin(), chosen.end(), n) == chosen.end()) chosen.push_back(n);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

Placed WideInsertion::Exact(int model, const Room& room, const FleetPrices& prices, const Assignment& start) {
  const std::vector<int> servers = Servers(model, room, prices, start);
  if (servers.empty()) return {};
  return solver_.Solve(model, ViewOf(fleet_, model, servers), &room, prices, kExactGap, Effort::kLittle,
                       start);
}

bool WideInsertion::FillOnce(std::vector<Placed>& placed, int& failed) {
  placed.assign(order_.size(), {});
  Room room = Room::Of(fleet_);
  for (const int k : order_) {
    Placed& p = placed[static_cast<size_t>(k)];
    p = Quick(k, room, prices_.prices());
    if (!p.found() && !incumbent_.Stopped()) p = Exact(k, room, prices_.prices(), {});
    failed = k;
    if (!p.found()) return false;
    room.Take(p.use);
  }
  return true;
}

void WideInsertion::Fill() {
  std::vector<Placed> placed;
  for (size_t attempt = 0; attempt < order_.size() && !incumbent_.Stopped(); ++attempt) {
    int failed = -1;
    if (FillOnce(placed, failed)) {
      incumbent_.Take(PlanOf(placed));
      return;
    }
    const auto at = std::find(order_.begin(), order_.end(), failed);
    if (at == order_.begin()) return;  // no room even on empty servers
    std::rotate(order_.begin(), at, at + 1);
  }
}

double WideInsertion::Sweep(std::vector<Placed>& placed) {
  double gain = 0;
  Room room = RoomOf(fleet_, placed);
  for (const int k : order_) {
    if (incumbent_.Stopped()) break;
    Placed& p = placed[static_cast<size_t>(k)];
    room.Give(p.use);
    const double before = p.cost;
    if (Placed quick = Quick(k, room, {}); quick.found() && quick.cost < p.cost) p = std::move(quick);
    if (Placed exact = Exact(k, room, {}, p.assignment); exact.found() && exact.cost < p.cost)
      p = std::move(exact);
    gain += before - p.cost;
    room.Take(p.use);
  }
  return gain;
}

void WideInsertion::Improve() {
  if (!incumbent_.HasPlan()) return;
  std::vector<Placed> placed = solver_.At(incumbent_.plan());
  while (!incumbent_.Stopped() && !incumbent_.Proven()) {
    const double gain = Sweep(placed);
    incumbent_.Take(PlanOf(placed));
    if (gain <= kLeastGain * incumbent_.objective()) break;
  }
}

}  // namespace dilemma
