#include "fleet/fleet_validate.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/units.h"

namespace dilemma {
namespace {

constexpr double kTolerance = 1e-9;

void CheckShared(const Fleet& fleet, FleetEvaluation& e) {
  const auto add = [&](LimitKind kind, int n, double amount, std::string text) {
    e.violations.push_back({kind, n, -1, amount, std::move(text)});
  };
  for (int n = 0; n < fleet.servers(); ++n) {
    const auto i = static_cast<size_t>(n);
    const ServerUse& use = e.servers[i];
    if (use.stages == 0) continue;
    if (use.memory_bytes > fleet.memory_bytes[i])
      add(LimitKind::kMemory, n, static_cast<double>(use.memory_bytes - fleet.memory_bytes[i]),
          fmt::format("memory of {}: all models need {}, {} there", fleet.server_names[i],
                      FormatBytes(use.memory_bytes), FormatBytes(fleet.memory_bytes[i])));
    if (use.disk_bytes > fleet.disk_bytes[i])
      add(LimitKind::kDisk, n, static_cast<double>(use.disk_bytes - fleet.disk_bytes[i]),
          fmt::format("disk of {}: all models need {}, {} there", fleet.server_names[i],
                      FormatBytes(use.disk_bytes), FormatBytes(fleet.disk_bytes[i])));
    if (use.busy_s > fleet.busy_limit_s[i] * (1 + kTolerance))
      add(LimitKind::kBusy, n, use.busy_s - fleet.busy_limit_s[i],
          fmt::format("compute time of {}: a token of every model takes {}, the limit is {}",
                      fleet.server_names[i], FormatDuration(use.busy_s),
                      FormatDuration(fleet.busy_limit_s[i])));
  }
}

}  // namespace

std::string FleetEvaluation::Text() const {
  std::string text;
  for (const Violation& violation : violations) text += (text.empty() ? "" : "; ") + violation.text;
  return text;
}

Evaluation EvaluateModel(const Fleet& fleet, int model, const Assignment& assignment) {
  std::vector<int> used;
  for (const Placement& placement : assignment) {
    if (placement.server < 0 || placement.server >= fleet.servers()) {
      Evaluation bad;
      bad.violations.push_back({LimitKind::kShape, placement.server, -1, 1,
                                fmt::format("server {} does not exist", placement.server)});
      return bad;
    }
    used.push_back(placement.server);
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  if (used.empty()) used.push_back(0);
  Assignment local = assignment;
  for (Placement& placement : local)
    placement.server =
        static_cast<int>(std::lower_bound(used.begin(), used.end(), placement.server) - used.begin());
  Evaluation e = Evaluate(fleet.models[static_cast<size_t>(model)]->Over(used), local);
  for (StageUse& stage : e.stages) stage.server = used[static_cast<size_t>(stage.server)];
  for (Violation& violation : e.violations)
    if (violation.server >= 0 && violation.server < static_cast<int>(used.size()))
      violation.server = used[static_cast<size_t>(violation.server)];
  std::vector<ServerUse> servers(static_cast<size_t>(fleet.servers()));
  for (size_t i = 0; i < e.servers.size(); ++i) servers[static_cast<size_t>(used[i])] = e.servers[i];
  e.servers = std::move(servers);
  return e;
}

FleetEvaluation EvaluateFleet(const Fleet& fleet, const JointAssignment& plan) {
  FleetEvaluation e;
  e.servers.resize(static_cast<size_t>(fleet.servers()));
  if (plan.size() != fleet.models.size()) {
    e.violations.push_back(
        {LimitKind::kShape, -1, -1, std::abs(static_cast<double>(plan.size()) - fleet.size()),
         fmt::format("{} models are planned, the fleet has {}", plan.size(), fleet.size())});
    return e;
  }
  for (int k = 0; k < fleet.size(); ++k) {
    const FleetModel& model = *fleet.models[static_cast<size_t>(k)];
    Evaluation own = EvaluateModel(fleet, k, plan[static_cast<size_t>(k)]);
    for (Violation violation : own.violations) {
      violation.text = model.name() + ": " + violation.text;
      e.violations.push_back(std::move(violation));
    }
    for (size_t n = 0; n < own.servers.size(); ++n) {
      ServerUse& sum = e.servers[n];
      sum.memory_bytes += own.servers[n].memory_bytes;
      sum.disk_bytes += own.servers[n].disk_bytes;
      sum.busy_s += own.servers[n].busy_s;
      sum.busy_request_s += own.servers[n].busy_request_s;
      sum.stages += own.servers[n].stages;
    }
    e.objective_s += model.weight() * own.objective_s;
    own.servers.clear();
    e.models.push_back(std::move(own));
  }
  CheckShared(fleet, e);
  return e;
}

}  // namespace dilemma
