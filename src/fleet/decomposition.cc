#include "fleet/decomposition.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/status.h"
#include "fleet/branching.h"
#include "fleet/fixing.h"
#include "fleet/incumbent.h"
#include "fleet/insertion.h"
#include "fleet/master.h"
#include "fleet/sequential.h"
#include "fleet/wide_prices.h"

namespace dilemma {
namespace {

constexpr double kAloneGap = 1e-3, kInsertionGap = 1e-3;
constexpr int kRounds = 40, kWidePasses = 200;
constexpr double kConverged = 3e-3;  // of the bound: what is left between it and the master
constexpr double kPenalty = 3;       // of the cost of all models, for one whole limit too much
constexpr int kImprovements = 4;
constexpr int kFixings = 12;   // plans fixed before branching; then those of new best joint plans
constexpr int kFewModels = 4;  // all orders of insertion are tried

class ByPrices {
 public:
  ByPrices(const Fleet& fleet, const SolveOptions& options)
      : fleet_(fleet),
        options_(options),
        incumbent_(fleet, options, std::string(kDefaultFleetMethod)),
        solver_(fleet, options),
        master_(fleet),
        insertion_(fleet, views_, solver_, incumbent_, kInsertionGap) {
    insertion_.SetMet([this](int model, const Placed& placed) { master_.Add(model, placed); });
    std::vector<int> all(fleet.server_names.size());
    std::iota(all.begin(), all.end(), 0);
    for (int k = 0; k < fleet.size(); ++k) views_.push_back(ViewOf(fleet, k, all));
  }

  FleetResult Run(int nodes) {
    const bool single = fleet_.size() == 1;
    const std::vector<Placed> alone =
        SolveAlone(fleet_, views_, solver_, single ? options_.gap : kAloneGap, Effort::kProof);
    Priced root;
    root.bound = 0;
    double cost = 0;
    for (int k = 0; k < fleet_.size(); ++k) {
      const Placed& placed = alone[static_cast<size_t>(k)];
      if (placed.bound == kNever)
        return incumbent_.Infeasible(fmt::format("{} has no plan even alone on the servers",
                                                 fleet_.models[static_cast<size_t>(k)]->name()));
      root.bound += placed.bound;
      root.models.push_back(placed.bound);
      if (!placed.found()) return incumbent_.Finish();
      cost += placed.cost;
      master_.Add(k, placed);
    }
    incumbent_.Raise(root.bound);
    incumbent_.Take(PlanOf(alone));
    if (single || incumbent_.Proven()) return incumbent_.Finish();
    for (const std::vector<int>& order : InsertionOrders(alone)) insertion_.Fill(order, {}, fleet_.size());
    const double penalty = kPenalty * std::max(cost, incumbent_.HasPlan() ? incumbent_.objective() : 0);
    Branching branching(fleet_, solver_, views_, master_, incumbent_, penalty);
    if (const auto prices = FirstPrices(); prices.has_value()) {
      if (Priced first = branching.Price(views_, *prices, nullptr); first.bound > root.bound)
        root = std::move(first);
      incumbent_.Raise(root.bound);
    }
    branching.Generate(views_, nullptr, kRounds, kConverged, root);
    Plans(alone, branching, root);
    Fixing fixing(fleet_, options_, views_, solver_, master_, incumbent_, insertion_, root, penalty);
    for (int i = 0; i < kFixings && !incumbent_.Proven() && fixing.FixNext();) ++i;
    const auto between = [&] {
      while (!incumbent_.Proven() && fixing.FixOfBest()) continue;
    };
    if (!incumbent_.Stopped()) branching.Run(root, nodes, between);
    return incumbent_.Finish();
  }

 private:
  // Good prices in little time, from the wide relaxation.
  std::optional<FleetPrices> FirstPrices() {
    Clusters clusters;
    std::vector<WideModel> models;
    for (size_t k = 0; k < views_.size(); ++k) {
      Problem problem = views_[k].problem;
      if (problem.objective != Objective::kLatency) return std::nullopt;
      PutRoom(Room::Of(fleet_), views_[k].servers, problem);
      if (k == 0) clusters = FindClusters(problem);
      models.emplace_back(problem, fleet_.models[k]->weight(), clusters);
    }
    WidePrices prices(
        fleet_, models, [this] { return incumbent_.Stopped(); },
        [this](double bound) { incumbent_.Raise(bound); });
    if (!prices.Begin() || !prices.Run(kWidePasses)) return std::nullopt;
    return prices.prices();
  }

  void Plans(const std::vector<Placed>& alone, Branching& branching, const Priced& root) {
    if (incumbent_.Stopped() || incumbent_.Proven()) return;
    branching.TryChoice(root);
    std::vector<std::vector<int>> orders = InsertionOrders(alone);
    if (fleet_.size() <= kFewModels) {
      std::vector<int> order(alone.size());
      std::iota(order.begin(), order.end(), 0);
      orders.clear();
      do orders.push_back(order);
      while (std::next_permutation(order.begin(), order.end()));
    }
    for (const std::vector<int>& order : orders) insertion_.Fill(order, root.prices, fleet_.size());
    insertion_.Improve(root.prices, kImprovements);
    branching.TryChoice(root);
  }

  const Fleet& fleet_;
  const SolveOptions& options_;
  FleetIncumbent incumbent_;
  const ModelSolver solver_;
  std::vector<ModelView> views_;
  Master master_;
  Insertion insertion_;
};

}  // namespace

FleetResult SolveFleetByPrices(const Fleet& fleet, const SolveOptions& options, int nodes) {
  return ByPrices(fleet, options).Run(nodes);
}

}  // namespace dilemma
