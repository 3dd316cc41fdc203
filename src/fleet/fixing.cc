#include "fleet/fixing.h"

#include <algorithm>
#include <numeric>

#include "fleet/limits.h"

namespace dilemma {
namespace {

constexpr int kRounds = 8;
constexpr double kConverged = 1e-3, kInsertionGap = 1e-3;

// The servers of a plan's units: plans that differ in types alone lead to the same joint plans.
std::vector<int> ServersOf(const Assignment& assignment) {
  std::vector<int> servers;
  for (const Placement& placement : assignment) servers.push_back(placement.server);
  return servers;
}

// The other models in what the plan of one leaves.
Fleet Without(const Fleet& fleet, int model, const Room& room) {
  Fleet rest = fleet;
  rest.models.erase(rest.models.begin() + model);
  rest.memory_bytes = room.memory;
  rest.disk_bytes = room.disk;
  rest.busy_limit_s = room.busy;
  for (int64_t& bytes : rest.memory_bytes) bytes = std::max<int64_t>(0, bytes);
  for (int64_t& bytes : rest.disk_bytes) bytes = std::max<int64_t>(0, bytes);
  for (double& seconds : rest.busy_limit_s) seconds = std::max(0.0, seconds);
  return rest;
}

template <typename T>
bool AddNew(std::vector<T>& list, T value) {
  if (std::find(list.begin(), list.end(), value) != list.end()) return false;
  list.push_back(std::move(value));
  return true;
}

}  // namespace

std::optional<Fixing::Fixed> Fixing::OfBest() {
  for (int k = 0; incumbent_.HasPlan() && k < fleet_.size(); ++k) {
    const Assignment& plan = incumbent_.plan()[static_cast<size_t>(k)];
    if (!AddNew(best_, {k, plan})) continue;
    AddNew(done_, {k, ServersOf(plan)});
    return Fixed{k, solver_.At(k, plan, {})};
  }
  return std::nullopt;
}

std::optional<Fixing::Fixed> Fixing::Cheapest() {
  const Master::Keep promising = Promising(root_, incumbent_.objective());
  double least = kNever;
  int model = -1;
  const Placed* chosen = nullptr;
  for (int k = 0; k < fleet_.size(); ++k) {
    const auto i = static_cast<size_t>(k);
    for (const Placed& placed : master_.columns()[i]) {
      const double more = placed.cost + root_.prices.Of(placed.use) - root_.models[i];
      if (more >= least || !promising(k, placed)) continue;
      if (std::find(done_.begin(), done_.end(), std::pair{k, ServersOf(placed.assignment)}) != done_.end())
        continue;
      least = more;
      model = k;
      chosen = &placed;
    }
  }
  if (chosen == nullptr) return std::nullopt;
  done_.emplace_back(model, ServersOf(chosen->assignment));
  return Fixed{model, *chosen};
}

bool Fixing::FixOfBest() { return !incumbent_.Stopped() && Complete(OfBest()); }

bool Fixing::FixNext() { return FixOfBest() || (!incumbent_.Stopped() && Complete(Cheapest())); }

bool Fixing::Complete(const std::optional<Fixed>& fixed) {
  if (fixed.has_value()) Complete(fixed->first, fixed->second);
  return fixed.has_value();
}

void Fixing::Complete(int model, const Placed& fixed) {
  Room room = Room::Of(fleet_);
  room.Take(fixed.use);
  const Fleet rest = Without(fleet_, model, room);
  SolveOptions options;
  options.time_limit_s = std::max(0.0, incumbent_.SecondsLeft());
  options.seed = options_.seed;
  options.stop = [this] { return incumbent_.Stopped(); };
  const ModelSolver solver(rest, options);
  std::vector<ModelView> views;
  Master master(rest);
  const auto in_fleet = [model](int k) { return k < model ? k : k + 1; };
  for (int k = 0; k < rest.size(); ++k) {
    const auto i = static_cast<size_t>(in_fleet(k));
    views.push_back(views_[i]);
    for (const Placed& placed : master_.columns()[i])
      if (room.Holds(placed.use)) master.Add(k, placed);
  }

  FleetIncumbent target(rest, options, "");  // what the others must cost less than
  target.Beat(incumbent_.objective() - fixed.cost);
  Branching branching(rest, solver, views, master, target, penalty_);
  Priced priced = branching.Price(views, root_.prices, nullptr);
  if (rest.size() > 1) branching.Generate(views, nullptr, kRounds, kConverged, priced);
  for (int k = 0; k < rest.size(); ++k)
    for (const Placed& placed : master.columns()[static_cast<size_t>(k)]) master_.Add(in_fleet(k), placed);
  if (priced.models.empty() || priced.bound >= target.objective() || incumbent_.Stopped()) return;

  FleetIncumbent best(rest, options, "");
  Insertion insertion(rest, views, solver, best, kInsertionGap);
  insertion.SetMet([&](int k, const Placed& placed) { master_.Add(in_fleet(k), placed); });
  const JointAssignment known =
      master.Choose(options.time_limit_s, {}, options.stop, Promising(priced, target.objective()));
  if (!known.empty()) best.Take(known);
  std::vector<int> order(static_cast<size_t>(rest.size()));
  std::iota(order.begin(), order.end(), 0);
  insertion.Fill(order, priced.prices, 1);
  std::reverse(order.begin(), order.end());
  insertion.Fill(order, priced.prices, 1);
  if (!best.HasPlan()) return;
  JointAssignment plan = best.plan();
  plan.insert(plan.begin() + model, fixed.assignment);
  insertion_.Polish(plan);
}

}  // namespace dilemma
