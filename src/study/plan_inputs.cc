#include "study/plan_inputs.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "fmt/format.h"

namespace dilemma {
namespace {

constexpr double kMegabit = 1e6, kBoundless = 1e18;

Problem WithLink(const PlanInputs& inputs, const std::string& a, const std::string& b, double more) {
  PlanInputs changed = inputs;
  for (LinkProfile& link : changed.profile.links) {
    if (!(link.from == a && link.to == b) && !(link.from == b && link.to == a)) continue;
    link.bandwidth_bps = std::isinf(more) ? kBoundless : link.bandwidth_bps + more * kMegabit;
  }
  return BuildProblem(changed).value();  // it could be built before: only a positive bandwidth grew
}

std::set<std::pair<int, int>> UsedPairs(const Assignment& assignment) {
  std::set<std::pair<int, int>> used;
  for (size_t u = 0; u < assignment.size(); ++u) {
    const int n = assignment[u].server, m = assignment[(u + 1) % assignment.size()].server;
    if (n != m) used.insert(std::minmax(n, m));
  }
  return used;
}

}  // namespace

absl::StatusOr<Problem> BuildProblem(const PlanInputs& in) {
  return BuildProblem(in.model, in.cluster, in.profile, in.quality, in.workload, in.limits);
}

std::vector<Resource> LinkResources(const PlanInputs& inputs, const Problem& problem,
                                    const Assignment& assignment) {
  const std::set<std::pair<int, int>> used = UsedPairs(assignment);
  std::vector<Resource> out;
  for (const bool now : {true, false}) {
    for (int n = 0; n < problem.servers; ++n) {
      for (int m = n + 1; m < problem.servers; ++m) {
        if (used.contains({n, m}) != now) continue;
        const Server& a = inputs.cluster.servers[static_cast<size_t>(n)];
        const Server& b = inputs.cluster.servers[static_cast<size_t>(m)];
        if (a.forbidden || b.forbidden) continue;
        const auto there = inputs.profile.Link(a.name, b.name), back = inputs.profile.Link(b.name, a.name);
        if (!there.ok() || !back.ok()) continue;
        Resource link;
        link.name = fmt::format("link {} - {}", a.name, b.name);
        link.unit = "Mbit/s";
        link.of = std::min(there->bandwidth_bps, back->bandwidth_bps) / kMegabit;
        link.with = [&inputs, from = a.name, to = b.name](double more) {
          return WithLink(inputs, from, to, more);
        };
        out.push_back(std::move(link));
      }
    }
  }
  return out;
}

}  // namespace dilemma
