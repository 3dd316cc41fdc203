#include "fleet/wide_solver.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "fleet/incumbent.h"
#include "fleet/wide_insertion.h"
#include "fleet/wide_prices.h"

namespace dilemma {
namespace {

constexpr int kLeastPasses = 40, kMostPasses = 800;
constexpr double kPassWork = 2e8;  // units times servers over all passes, roughly

int Passes(const Fleet& fleet, const std::vector<WideModel>& models) {
  double work = 0;
  for (const WideModel& model : models) work += static_cast<double>(model.units()) * fleet.servers();
  return static_cast<int>(std::clamp(kPassWork / work, 1.0 * kLeastPasses, 1.0 * kMostPasses));
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
  WidePrices prices(
      fleet, models, [&] { return incumbent.Stopped(); }, [&](double bound) { incumbent.Raise(bound); });
  WideInsertion insertion(fleet, options, models, prices, incumbent);
  const auto none = [&] {
    return incumbent.Infeasible(
        fmt::format("no way to cut {} into blocks fits into the memory of the servers",
                    fleet.models[static_cast<size_t>(prices.failed())]->name()));
  };
  if (!prices.Begin()) return none();
  insertion.Fill();  // a plan soon; those at prices are better
  if (!prices.Run(Passes(fleet, models))) return none();
  insertion.Fill();
  insertion.Improve();
  return incumbent.Finish();
}

}  // namespace dilemma
