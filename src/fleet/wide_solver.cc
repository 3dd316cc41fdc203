#include "fleet/wide_solver.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "fleet/incumbent.h"
#include "fleet/insertion.h"
#include "fleet/wide_prices.h"

namespace dilemma {
namespace {

constexpr int kLeastPasses = 100, kMostPasses = 600;
constexpr double kPassWork = 2e7;  // units times servers over all passes, roughly
constexpr double kInsertionGap = 5e-3;
constexpr int kLeastServers = 8, kMoreServers = 6, kMostServers = 24;  // looked at for one model
constexpr int kRounds = 2;

// For each model the servers of its cheapest path within what is left, and those of the next best paths.
class PickedServers : public ViewSource {
 public:
  PickedServers(const Fleet& fleet, std::vector<WideModel>& models, const WidePrices& prices)
      : fleet_(fleet), models_(models), prices_(prices) {}

  const ModelView& View(int model, const Room& room, const FleetPrices&, const Assignment& also) override {
    WideModel& wide = models_[static_cast<size_t>(model)];
    const WideModel::Path path = wide.Solve(prices_.prices().memory, prices_.mu(model), &room.memory);
    view_ = {};
    if (path.value == kNever && also.empty()) return view_;
    std::vector<int> chosen = path.servers;
    for (const Placement& placement : also) chosen.push_back(placement.server);
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    const size_t most =
        std::max(chosen.size(), static_cast<size_t>(std::clamp(static_cast<int>(chosen.size()) + kMoreServers,
                                                               kLeastServers, kMostServers)));
    if (path.value != kNever) {
      const std::vector<double> through = wide.Through();
      std::vector<int> order(through.size());
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return through[static_cast<size_t>(a)] < through[static_cast<size_t>(b)];
      });
      for (const int n : order) {
        if (chosen.size() >= most || through[static_cast<size_t>(n)] == kNever) break;
        if (std::find(chosen.begin(), chosen.end(), n) == chosen.end()) chosen.push_back(n);
      }
      std::sort(chosen.begin(), chosen.end());
    }
    view_ = ViewOf(fleet_, model, std::move(chosen));
    return view_;
  }

 private:
  const Fleet& fleet_;
  std::vector<WideModel>& models_;
  const WidePrices& prices_;
  ModelView view_;
};

std::vector<int> BySize(const Fleet& fleet, const std::vector<WideModel>& models) {
  std::vector<int> order(static_cast<size_t>(fleet.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return models[static_cast<size_t>(a)].typical_cost() > models[static_cast<size_t>(b)].typical_cost();
  });
  return order;
}

}  // namespace

FleetResult SolveWideFleet(const Fleet& fleet, const SolveOptions& options) {
  FleetIncumbent incumbent(fleet, options, std::string(kDefaultFleetMethod));
  std::vector<int> all(fleet.server_names.size());
  std::iota(all.begin(), all.end(), 0);
  Clusters clusters;
  std::vector<WideModel> models;
  for (int k = 0; k < fleet.size(); ++k) {
    if (incumbent.Stopped()) return incumbent.Finish();
    Problem problem = fleet.models[static_cast<size_t>(k)]->Over(all);
    PutRoom(Room::Of(fleet), all, problem);
    if (k == 0) clusters = FindClusters(problem);
    models.emplace_back(problem, fleet.models[static_cast<size_t>(k)]->weight(), clusters);
  }
  WidePrices prices(fleet, models, [&] { return incumbent.Stopped(); });
  double work = 0;
  for (const WideModel& model : models) work += static_cast<double>(model.units()) * fleet.servers();
  const int passes = static_cast<int>(std::clamp(kPassWork / work, 1.0 * kLeastPasses, 1.0 * kMostPasses));
  if (!prices.Run(passes, [&](double bound) { incumbent.Raise(bound); }))
    return incumbent.Infeasible(
        fmt::format("no way to cut {} into blocks fits into the memory of the servers",
                    fleet.models[static_cast<size_t>(prices.failed())]->name()));
  const ModelSolver solver(fleet, options);
  PickedServers picked(fleet, models, prices);
  Insertion insertion(fleet, picked, solver, incumbent, kInsertionGap);
  insertion.Fill(BySize(fleet, models), prices.prices(), fleet.size());
  insertion.Improve(prices.prices(), kRounds);
  return incumbent.Finish();
}

}  // namespace dilemma
