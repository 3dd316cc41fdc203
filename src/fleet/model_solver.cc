#include "fleet/model_solver.h"

#include <algorithm>

#include "planner/exact_solver.h"
#include "planner/one_block_solver.h"

namespace dilemma {
namespace {

constexpr int kLittlePolls = 200;  // how often a solve with little effort may ask whether to stop

}  // namespace

ModelView ViewOf(const Fleet& fleet, int model, std::vector<int> servers) {
  Problem problem = fleet.models[static_cast<size_t>(model)]->Over(servers);
  return {std::move(servers), std::move(problem)};
}

Placed ModelSolver::At(int model, const Assignment& assignment, const FleetPrices& prices) const {
  Placed placed;
  const Evaluation evaluation = EvaluateModel(fleet_, model, assignment);
  placed.assignment = assignment;
  placed.use = evaluation.servers;
  placed.cost = fleet_.models[static_cast<size_t>(model)]->weight() * evaluation.objective_s;
  placed.priced = placed.cost + prices.Of(placed.use);
  return placed;
}

Placed ModelSolver::Solve(int model, const ModelView& view, const Room* room, const FleetPrices& prices,
                          double gap, Effort effort, const Assignment& start) const {
  const double weight = fleet_.models[static_cast<size_t>(model)]->weight();
  Problem problem = view.problem;
  PutRoom(room != nullptr ? *room : Room::Of(fleet_), view.servers, problem);
  PutPrices(prices, weight, view.servers, problem);
  SolveOptions options;
  options.time_limit_s = std::max(0.01, SecondsLeft());
  options.gap = gap;
  options.seed = options_.seed;
  options.stop = options_.stop;
  int polls = 0;
  if (effort == Effort::kLittle)
    options.stop = [&] { return ++polls > kLittlePolls || (options_.stop && options_.stop()); };
  for (const Placement& placement : start) {
    const auto at = std::lower_bound(view.servers.begin(), view.servers.end(), placement.server);
    if (at == view.servers.end() || *at != placement.server) {
      options.start.clear();
      break;
    }
    options.start.push_back({static_cast<int>(at - view.servers.begin()), placement.type});
  }
  const bool one_block = problem.one_block_per_server && problem.objective == Objective::kLatency;
  const SolveResult result = one_block && effort != Effort::kProof
                                 ? SolveOneBlock(problem, options, /*short_search=*/true)
                                 : MakeExactSolver(/*borrow=*/false)->Solve(problem, options);
  Placed placed;
  if (result.HasAssignment()) {
    Assignment assignment = result.assignment;
    for (Placement& placement : assignment)
      placement.server = view.servers[static_cast<size_t>(placement.server)];
    placed = At(model, assignment, prices);
  }
  placed.bound = weight * result.bound_s;
  return placed;
}

std::vector<Placed> ModelSolver::At(const JointAssignment& plan) const {
  std::vector<Placed> placed;
  for (size_t k = 0; k < plan.size(); ++k) placed.push_back(At(static_cast<int>(k), plan[k], {}));
  return placed;
}

JointAssignment PlanOf(const std::vector<Placed>& placed) {
  JointAssignment plan;
  for (const Placed& p : placed) plan.push_back(p.assignment);
  return plan;
}

Room RoomOf(const Fleet& fleet, const std::vector<Placed>& placed) {
  Room room = Room::Of(fleet);
  for (const Placed& p : placed) room.Take(p.use);
  return room;
}

}  // namespace dilemma
