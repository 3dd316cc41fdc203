#include "study/plan_inputs.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/numbers.h"
#include "base/status.h"

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

absl::StatusOr<Pin> ParsePin(std::string_view text, const ModelInfo& model) {
  const auto bad = [&] {
    return InvalidArgument(
        "pin '{}': write units and server, as in embedding=gateway, head=gateway or 0-9=gateway (layers 0 to "
        "{})",
        text, model.n_layer - 1);
  };
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals + 1 == text.size()) return bad();
  const std::string_view units = text.substr(0, equals);
  Pin pin;
  pin.server = text.substr(equals + 1);
  if (units == "embedding") return pin;
  if (units == "head") {
    pin.first_unit = pin.last_unit = static_cast<int>(model.units.size()) - 1;
    return pin;
  }
  const size_t dash = units.find('-');
  const std::string_view last = dash == std::string_view::npos ? units : units.substr(dash + 1);
  if (!absl::SimpleAtoi(View(units.substr(0, dash)), &pin.first_unit) ||
      !absl::SimpleAtoi(View(last), &pin.last_unit) || pin.first_unit < 0 || pin.last_unit < pin.first_unit ||
      pin.last_unit >= model.n_layer)
    return bad();
  ++pin.first_unit;  // unit 0 is the embedding
  ++pin.last_unit;
  return pin;
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

absl::StatusOr<double> UniformLoss(const QualityTable& quality, TensorType type) {
  double loss = 0;
  for (size_t u = 0; u < quality.units.size(); ++u) {
    const Choice* best = quality.Find(static_cast<int>(u), TypeMix{type, {}});
    if (best == nullptr) {
      for (const Choice& choice :
           quality.units[u].choices) {  // by descending bytes: the last one that is better
        if (BitsPerWeight(choice.mix.base) >= BitsPerWeight(type)) best = &choice;
      }
    }
    if (best == nullptr) {
      return InvalidArgument("no type of {} is as good as {}; choose a smaller type or another budget",
                             quality.units[u].unit, Name(type));
    }
    loss += best->loss;
  }
  return loss;
}

}  // namespace dilemma
