#include "fleet/fleet_solver.h"

#include <algorithm>

#include "base/status.h"
#include "fleet/decomposition.h"
#include "fleet/joint_highs.h"
#include "fleet/sequential.h"
#include "fleet/wide_solver.h"

namespace dilemma {
namespace {

// Placements (unit, server, type) of all models up to which HiGHS can finish what the decomposition left
// open.
constexpr int64_t kSmallFleet = 2400;
constexpr int kNodes = 100000;  // of branch and bound on larger ones

int64_t Placements(const Fleet& fleet) {
  const int first[] = {0};
  int64_t sum = 0;
  for (const auto& model : fleet.models) {
    const Problem problem = model->Over(first);
    sum += int64_t{problem.units} * problem.types * fleet.servers();
  }
  return sum;
}

bool AllLatency(const Fleet& fleet) {
  const int first[] = {0};
  return std::all_of(fleet.models.begin(), fleet.models.end(),
                     [&](const auto& model) { return model->Over(first).objective == Objective::kLatency; });
}

// Servers up to which every model is solved on all of them.
constexpr int kFewServers = 16;

FleetResult Decompose(const Fleet& fleet, const SolveOptions& options) {
  if (fleet.servers() > kFewServers && AllLatency(fleet)) return SolveWideFleet(fleet, options);
  const bool small = Placements(fleet) <= kSmallFleet;
  FleetResult found = SolveFleetByPrices(fleet, options, small ? 0 : kNodes);
  const bool open = found.status == SolveStatus::kFeasible || found.status == SolveStatus::kUnknown;
  if (!open || found.seconds >= options.time_limit_s || (options.stop && options.stop())) return found;
  if (!small) return found;
  SolveOptions rest = options;
  rest.time_limit_s = options.time_limit_s - found.seconds;
  if (options.progress) {
    rest.progress = [&](SolveProgress at) {
      at.seconds += found.seconds;
      at.bound_s = std::max(at.bound_s, found.bound_s);
      at.gap = at.objective_s > 0 && at.objective_s != kNever ? 1 - at.bound_s / at.objective_s : at.gap;
      options.progress(at);
    };
  }
  FleetResult result = SolveFleetHighs(fleet, rest, found.plan);
  result.seconds += found.seconds;
  result.method = found.method;
  if (!result.HasPlan()) return result;
  result.bound_s = std::min(std::max(result.bound_s, found.bound_s), result.objective_s);
  result.gap = result.objective_s > 0 ? 1 - result.bound_s / result.objective_s : 0;
  const bool close = result.gap <= options.gap * (1 + 1e-6) + 1e-9;
  result.status = close ? SolveStatus::kOptimal : SolveStatus::kFeasible;
  if (close) result.reason.clear();
  return result;
}

}  // namespace

std::vector<std::string_view> FleetMethods() { return {kDefaultFleetMethod, "highs", "sequential"}; }

absl::StatusOr<FleetResult> SolveFleet(const Fleet& fleet, std::string_view method,
                                       const SolveOptions& options) {
  if (method == kDefaultFleetMethod) return Decompose(fleet, options);
  if (method == "highs") return SolveFleetHighs(fleet, options, {});
  if (method == "sequential") return SolveFleetSequential(fleet, options);
  std::string names;
  for (const std::string_view name : FleetMethods()) names += (names.empty() ? "" : ", ") + std::string(name);
  return InvalidArgument("'{}' is not a way to plan a fleet; there are: {}", method, names);
}

}  // namespace dilemma
