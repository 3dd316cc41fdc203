#include "planner/explain.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/units.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

// Bytes from this unit's type to the next larger one of its menu; 0 where there is none.
int64_t NextStepBytes(const Problem& p, int u, int q) {
  int64_t step = 0;
  for (int other = 0; other < p.types; ++other) {
    const int64_t more =
        p.Offered(u, other) ? p.weight_bytes[p.Uq(u, other)] - p.weight_bytes[p.Uq(u, q)] : 0;
    if (more > 0 && (step == 0 || more < step)) step = more;
  }
  return step;
}

// Least bytes by which server n could have more work: a larger type of one of its units, or another unit.
int64_t SmallestMore(const Problem& p, const Assignment& a, int n) {
  int64_t least = kNoLimit;
  for (int u = 0; u < p.units; ++u) {
    const auto [server, type] = a[static_cast<size_t>(u)];
    if (server == n) {
      if (const int64_t step = NextStepBytes(p, u, type); step > 0) least = std::min(least, step);
    } else {
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) least = std::min(least, p.Bytes(u, n, q));
    }
  }
  return least;
}

// Least bytes that a larger type of some unit would add.
int64_t SmallestStep(const Problem& p, const Assignment& a) {
  int64_t least = 0;
  for (int u = 0; u < p.units; ++u) {
    const int64_t step = NextStepBytes(p, u, a[static_cast<size_t>(u)].type);
    if (step > 0 && (least == 0 || step < least)) least = step;
  }
  return least;
}

// Least loss that another type of some unit would add.
double SmallestMoreLoss(const Problem& p, const Assignment& a) {
  double least = kNever;
  for (int u = 0; u < p.units; ++u)
    for (int q = 0; q < p.types; ++q) {
      const double more = p.loss[p.Uq(u, q)] - p.loss[p.Uq(u, a[static_cast<size_t>(u)].type)];
      if (p.Offered(u, q) && more > 0) least = std::min(least, more);
    }
  return least;
}

void AddBytes(std::string_view what, const std::string& server, int64_t used, int64_t of,
              std::vector<BindingLimit>& out) {
  BindingLimit limit;
  limit.limit = fmt::format("{} of {}", what, server);
  limit.used = static_cast<double>(used);
  limit.of = static_cast<double>(of);
  limit.text = fmt::format("{}: {} of {} used", limit.limit, FormatBytes(used), FormatBytes(of));
  out.push_back(std::move(limit));
}

}  // namespace

std::vector<BindingLimit> FindBinding(const Problem& p, const Assignment& a) {
  const Evaluation e = Evaluate(p, a);
  std::vector<BindingLimit> out;
  if (e.servers.empty() || e.stages.empty()) return out;
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    const ServerUse& use = e.servers[i];
    if (use.stages == 0) continue;
    const int64_t more = SmallestMore(p, a, n);
    if (more != kNoLimit && use.memory_bytes + more > p.memory_bytes[i])
      AddBytes("memory", p.server_names[i], use.memory_bytes, p.memory_bytes[i], out);
    if (more != kNoLimit && p.disk_bytes[i] != kNoLimit && use.disk_bytes + more > p.disk_bytes[i])
      AddBytes("disk", p.server_names[i], use.disk_bytes, p.disk_bytes[i], out);
  }
  if (const double more = SmallestMoreLoss(p, a); std::isfinite(more) && e.loss + more > p.loss_budget) {
    out.push_back({"loss budget", e.loss, p.loss_budget,
                   fmt::format("loss budget: {:.4g} of {:.4g} used", e.loss, p.loss_budget)});
  }
  if (const int64_t step = SmallestStep(p, a); step > 0 && e.weight_bytes + step > p.size_budget) {
    out.push_back({"size", static_cast<double>(e.weight_bytes), static_cast<double>(p.size_budget),
                   fmt::format("size: {} of {} of weights used", FormatBytes(e.weight_bytes),
                               FormatBytes(p.size_budget))});
  }
  return out;
}

}  // namespace dilemma
