#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "planner/validate.h"
#include "study/explain_plan.h"

namespace dilemma {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kLossStep = 0.01, kBusyStep = 1e-3;

// What server n holds where it holds everything at its largest types: more than that is never used.
int64_t MostBytes(const Problem& p, int n) {
  int64_t most = p.stage_bytes[static_cast<size_t>(n)] * (p.one_block_per_server ? 1 : p.units);
  for (int u = 0; u < p.units; ++u) {
    int64_t largest = 0;
    for (int q = 0; q < p.types; ++q)
      if (p.Possible(u, n, q)) largest = std::max(largest, p.Bytes(u, n, q));
    most += largest;
  }
  return most;
}

int64_t More(int64_t bytes, double units, int64_t most) {
  const double more = static_cast<double>(bytes) + units * kMiB;
  return more < static_cast<double>(most) ? static_cast<int64_t>(more) : std::max(bytes, most);
}

// What all weights take at their largest types.
int64_t MostBytes(const Problem& p) {
  int64_t most = 0;
  for (int u = 0; u < p.units; ++u)
    most += *std::max_element(p.weight_bytes.begin() + static_cast<std::ptrdiff_t>(p.Uq(u, 0)),
                              p.weight_bytes.begin() + static_cast<std::ptrdiff_t>(p.Uq(u, 0)) + p.types);
  return most;
}

bool MayHoldSomething(const Problem& p, int n) {
  for (int u = 0; u < p.units; ++u)
    for (int q = 0; q < p.types; ++q)
      if (p.Possible(u, n, q)) return true;
  return false;
}

// A change of one number of the problem. The problem is referred to, not copied.
template <typename Change>
std::function<Problem(double)> Changed(const Problem& problem, Change change) {
  return [&problem, change](double more) {
    Problem p = problem;
    change(p, more);
    return p;
  };
}

void AddServer(const Problem& problem, const Evaluation& e, int n, std::vector<Resource>& out) {
  const auto i = static_cast<size_t>(n);
  const std::string& name = problem.server_names[i];
  out.push_back(
      {fmt::format("memory of {}", name), "MiB", static_cast<double>(e.servers[i].memory_bytes) / kMiB,
       static_cast<double>(problem.memory_bytes[i]) / kMiB, Changed(problem, [i, n](Problem& p, double more) {
         p.memory_bytes[i] = More(p.memory_bytes[i], more, MostBytes(p, n));
       })});
  if (problem.disk_bytes[i] != kNoLimit) {
    out.push_back(
        {fmt::format("disk of {}", name), "MiB", static_cast<double>(e.servers[i].disk_bytes) / kMiB,
         static_cast<double>(problem.disk_bytes[i]) / kMiB, Changed(problem, [i, n](Problem& p, double more) {
           p.disk_bytes[i] = More(p.disk_bytes[i], more, MostBytes(p, n));
         })});
  }
  if (std::isfinite(problem.busy_limit_s[i])) {
    out.push_back({fmt::format("busy time of {}", name), "ms a token", e.servers[i].busy_s / kBusyStep,
                   problem.busy_limit_s[i] / kBusyStep, Changed(problem, [i](Problem& p, double more) {
                     p.busy_limit_s[i] += more * kBusyStep;
                   })});
  }
}

}  // namespace

std::vector<Resource> ResourcesOf(const Problem& problem, const Assignment& assignment) {
  std::vector<Resource> out;
  const Evaluation e = Evaluate(problem, assignment);
  if (e.stages.empty() || e.servers.empty()) return out;
  if (std::isfinite(problem.loss_budget)) {
    out.push_back({"loss budget", "x 0.01", e.loss / kLossStep, problem.loss_budget / kLossStep,
                   Changed(problem, [](Problem& p, double more) { p.loss_budget += more * kLossStep; })});
  }
  if (problem.size_budget != kNoLimit) {
    out.push_back({"size of all weights", "MiB", static_cast<double>(e.weight_bytes) / kMiB,
                   static_cast<double>(problem.size_budget) / kMiB,
                   Changed(problem, [](Problem& p, double more) {
                     p.size_budget = More(p.size_budget, more, MostBytes(p));
                   })});
  }
  if (problem.max_servers > 0 && problem.max_servers < problem.servers) {
    int used = 0;
    for (const ServerUse& use : e.servers) used += use.stages > 0 ? 1 : 0;
    out.push_back({"number of servers", "server", used, static_cast<double>(problem.max_servers),
                   Changed(problem, [](Problem& p, double more) {
                     p.max_servers = more < p.servers ? p.max_servers + static_cast<int>(more) : 0;
                   })});
  }
  for (int n = 0; n < problem.servers; ++n)
    if (MayHoldSomething(problem, n)) AddServer(problem, e, n, out);
  return out;
}

}  // namespace dilemma
