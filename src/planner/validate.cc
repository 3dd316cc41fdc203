#include "planner/validate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/status.h"
#include "base/units.h"

namespace dilemma {
namespace {

constexpr double kTolerance = 1e-9;

void Add(Evaluation& e, LimitKind kind, int server, int unit, double amount, std::string text) {
  e.violations.push_back({kind, server, unit, amount, std::move(text)});
}

// Shape, menus and allowed sets; true where costs can be computed at all.
bool CheckPlacements(const Problem& p, const Assignment& a, Evaluation& e) {
  if (a.size() != static_cast<size_t>(p.units)) {
    Add(e, LimitKind::kShape, -1, -1, std::abs(static_cast<double>(a.size()) - p.units),
        fmt::format("{} units are assigned, the model has {}", a.size(), p.units));
    return false;
  }
  for (int u = 0; u < p.units; ++u) {
    const auto [n, q] = a[static_cast<size_t>(u)];
    const std::string& unit = p.unit_names[static_cast<size_t>(u)];
    if (n < 0 || n >= p.servers || q < 0 || q >= p.types) {
      Add(e, LimitKind::kShape, n, u, 1,
          fmt::format("{} has server {} and type {}, which do not exist", unit, n, q));
      continue;
    }
    const std::string& server = p.server_names[static_cast<size_t>(n)];
    if (!p.Offered(u, q)) {
      Add(e, LimitKind::kMenu, n, u, 1, fmt::format("{} has type {}, which is not on its menu", unit, q));
    } else if (p.allowed[p.Un(u, n)] == 0) {
      Add(e, LimitKind::kAllowed, n, u, 1, fmt::format("{} may not be on {}", unit, server));
    } else if (!std::isfinite(p.compute.prefill_s[p.At(u, n, q)]) ||
               !std::isfinite(p.compute.decode_s[p.At(u, n, q)])) {
      Add(e, LimitKind::kMenu, n, u, 1,
          fmt::format("{} cannot run on {} as {}", unit, server, p.type_names[p.Uq(u, q)]));
    }
  }
  return e.violations.empty();
}

StageUse OpenStage(const Problem& p, int previous, int server, int unit) {
  const auto n = static_cast<size_t>(server);
  StageUse stage;
  stage.server = server;
  stage.first_unit = unit;
  stage.decode_s = p.stage.decode_s[n];
  stage.prefill_s = p.stage.prefill_s[n];
  stage.stage_bytes = p.stage_bytes[n];
  if (previous >= 0) {
    stage.hop_decode_s = p.hop.decode_s[p.Nm(previous, server)];
    stage.hop_prefill_s = p.hop.prefill_s[p.Nm(previous, server)];
  }
  return stage;
}

void WalkUnits(const Problem& p, const Assignment& a, Evaluation& e) {
  int previous = -1;
  for (int u = 0; u < p.units; ++u) {
    const auto [n, q] = a[static_cast<size_t>(u)];
    if (n != previous) e.stages.push_back(OpenStage(p, previous, n, u));
    StageUse& stage = e.stages.back();
    stage.last_unit = u;
    stage.decode_s += p.compute.decode_s[p.At(u, n, q)];
    stage.prefill_s += p.compute.prefill_s[p.At(u, n, q)];
    stage.weight_bytes += p.weight_bytes[p.Uq(u, q)];
    stage.fixed_bytes += p.fixed_bytes[p.Un(u, n)];
    e.loss += p.loss[p.Uq(u, q)];
    e.weight_bytes += p.weight_bytes[p.Uq(u, q)];
    if (!p.move_s.empty()) e.move_s += p.move_s[p.At(u, n, q)];
    previous = n;
  }
}

void AddUp(const Problem& p, Evaluation& e) {
  for (const StageUse& stage : e.stages) {
    e.decode_s += stage.decode_s + stage.hop_decode_s;
    e.prefill_s += stage.prefill_s + stage.hop_prefill_s;
    ServerUse& use = e.servers[static_cast<size_t>(stage.server)];
    use.memory_bytes += stage.weight_bytes + stage.fixed_bytes + stage.stage_bytes;
    use.disk_bytes += stage.weight_bytes;
    use.busy_s += stage.decode_s;
    use.busy_request_s += stage.prefill_s + p.decode_steps * stage.decode_s;
    ++use.stages;
  }
  const auto first = static_cast<size_t>(e.stages.front().server),
             last = static_cast<size_t>(e.stages.back().server);
  e.ring_s = p.ring.decode_s[last * static_cast<size_t>(p.servers) + first];
  e.decode_s += e.ring_s + p.entry.decode_s[first] + p.exit.decode_s[last];
  e.prefill_s += p.entry.prefill_s[first] + p.exit.prefill_s[last] +
                 p.ring.prefill_s[last * static_cast<size_t>(p.servers) + first];
  e.request_s = e.prefill_s + p.decode_steps * e.decode_s;
}

double BusiestPart(const Problem& p, const Evaluation& e) {
  double busiest = 0;
  for (const ServerUse& use : e.servers) busiest = std::max(busiest, use.busy_request_s);
  std::vector<double> link(static_cast<size_t>(p.servers) * p.servers, 0.0);
  for (size_t s = 1; s < e.stages.size(); ++s) {
    const size_t nm = p.Nm(e.stages[s - 1].server, e.stages[s].server);
    link[nm] += p.link_busy.prefill_s[nm] + p.decode_steps * p.link_busy.decode_s[nm];
    busiest = std::max(busiest, link[nm]);
  }
  return busiest;
}

void CheckServerLimits(const Problem& p, Evaluation& e) {
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    const ServerUse& use = e.servers[i];
    if (use.stages == 0) continue;
    const std::string& name = p.server_names[i];
    if (use.memory_bytes > p.memory_bytes[i])
      Add(e, LimitKind::kMemory, n, -1, static_cast<double>(use.memory_bytes - p.memory_bytes[i]),
          fmt::format("memory of {}: {} needed, {} there", name, FormatBytes(use.memory_bytes),
                      FormatBytes(p.memory_bytes[i])));
    if (use.disk_bytes > p.disk_bytes[i])
      Add(e, LimitKind::kDisk, n, -1, static_cast<double>(use.disk_bytes - p.disk_bytes[i]),
          fmt::format("disk of {}: {} needed, {} there", name, FormatBytes(use.disk_bytes),
                      FormatBytes(p.disk_bytes[i])));
    if (use.busy_s > p.busy_limit_s[i] * (1 + kTolerance))
      Add(e, LimitKind::kBusy, n, -1, use.busy_s - p.busy_limit_s[i],
          fmt::format("compute time of {}: {} a token, the limit is {}", name, FormatDuration(use.busy_s),
                      FormatDuration(p.busy_limit_s[i])));
    if (p.one_block_per_server && use.stages > 1)
      Add(e, LimitKind::kOneBlock, n, -1, use.stages - 1,
          fmt::format("{} has {} blocks of units, one is allowed", name, use.stages));
  }
}

void CheckGlobalLimits(const Problem& p, Evaluation& e) {
  if (e.loss > p.loss_budget * (1 + kTolerance))
    Add(e, LimitKind::kLoss, -1, -1, e.loss - p.loss_budget,
        fmt::format("loss: {:.6g}, the budget is {:.6g}", e.loss, p.loss_budget));
  if (e.weight_bytes > p.size_budget)
    Add(e, LimitKind::kSize, -1, -1, static_cast<double>(e.weight_bytes - p.size_budget),
        fmt::format("size: {} of weights, {} are allowed", FormatBytes(e.weight_bytes),
                    FormatBytes(p.size_budget)));
  const auto used =
      std::count_if(e.servers.begin(), e.servers.end(), [](const ServerUse& s) { return s.stages > 0; });
  if (p.max_servers > 0 && used > p.max_servers)
    Add(e, LimitKind::kMaxServers, -1, -1, static_cast<double>(used - p.max_servers),
        fmt::format("{} servers are used, {} are allowed", used, p.max_servers));
}

}  // namespace

std::string_view Name(LimitKind kind) {
  switch (kind) {
    case LimitKind::kShape:
      return "shape";
    case LimitKind::kMenu:
      return "menu";
    case LimitKind::kAllowed:
      return "allowed servers";
    case LimitKind::kMemory:
      return "memory";
    case LimitKind::kDisk:
      return "disk";
    case LimitKind::kBusy:
      return "compute time";
    case LimitKind::kLoss:
      return "loss";
    case LimitKind::kSize:
      return "size";
    case LimitKind::kMaxServers:
      return "number of servers";
    case LimitKind::kOneBlock:
      return "one block per server";
  }
  return "?";
}

std::string Evaluation::Text() const {
  std::string text;
  for (const Violation& violation : violations) text += (text.empty() ? "" : "; ") + violation.text;
  return text;
}

Evaluation Evaluate(const Problem& problem, const Assignment& assignment) {
  Evaluation e;
  e.servers.resize(static_cast<size_t>(problem.servers));
  if (!CheckPlacements(problem, assignment, e)) return e;
  WalkUnits(problem, assignment, e);
  AddUp(problem, e);
  CheckServerLimits(problem, e);
  CheckGlobalLimits(problem, e);
  e.objective_s =
      (problem.objective == Objective::kLatency ? e.request_s : BusiestPart(problem, e)) + e.move_s;
  return e;
}

}  // namespace dilemma
