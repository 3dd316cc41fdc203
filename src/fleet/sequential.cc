#include "fleet/sequential.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "fleet/incumbent.h"
#include "fleet/insertion.h"

namespace dilemma {
namespace {

constexpr double kModelGap = 1e-3;

int64_t MemoryOf(const Placed& placed) {
  int64_t sum = 0;
  for (const ServerUse& use : placed.use) sum += use.memory_bytes;
  return sum;
}

}  // namespace

std::vector<Placed> SolveAlone(const Fleet& fleet, const std::vector<ModelView>& views,
                               const ModelSolver& solver, double gap, Effort effort) {
  std::vector<Placed> alone;
  for (int k = 0; k < fleet.size(); ++k)
    alone.push_back(solver.Solve(k, views[static_cast<size_t>(k)], nullptr, {}, gap, effort, {}));
  return alone;
}

std::vector<std::vector<int>> InsertionOrders(const std::vector<Placed>& alone) {
  std::vector<int> order(alone.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<int>> orders(2, order);
  const auto at = [&](int k) -> const Placed& { return alone[static_cast<size_t>(k)]; };
  std::stable_sort(orders[0].begin(), orders[0].end(), [&](int a, int b) { return at(a).cost > at(b).cost; });
  std::stable_sort(orders[1].begin(), orders[1].end(),
                   [&](int a, int b) { return MemoryOf(at(a)) > MemoryOf(at(b)); });
  if (orders[0] == orders[1]) orders.pop_back();
  return orders;
}

FleetResult SolveFleetSequential(const Fleet& fleet, const SolveOptions& options) {
  FleetIncumbent incumbent(fleet, options, "sequential");
  const ModelSolver solver(fleet, options);
  std::vector<int> all(fleet.server_names.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<ModelView> views;
  for (int k = 0; k < fleet.size(); ++k) views.push_back(ViewOf(fleet, k, all));
  const std::vector<Placed> alone = SolveAlone(fleet, views, solver, options.gap, Effort::kProof);
  double bound = 0;
  for (int k = 0; k < fleet.size(); ++k) {
    const Placed& placed = alone[static_cast<size_t>(k)];
    if (placed.bound == kNever)
      return incumbent.Infeasible(fmt::format("{} has no plan even alone on the servers",
                                              fleet.models[static_cast<size_t>(k)]->name()));
    bound += placed.bound;
  }
  incumbent.Raise(bound);
  Insertion insertion(fleet, views, solver, incumbent, kModelGap);
  for (const std::vector<int>& order : InsertionOrders(alone)) insertion.Fill(order, {}, 1);
  return incumbent.Finish();
}

}  // namespace dilemma
