#include "study/replan.h"

#include <algorithm>

#include "base/status.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

constexpr double kBitsPerByte = 8;
constexpr double kWarmGap = 0.01, kWarmShare = 0.2;  // of the solve that finds a plan to begin from

// As far as servers and types are still known; {-1, -1} for units that are gone.
absl::StatusOr<Assignment> WhatIsLeft(const Plan& plan, const Problem& p) {
  RETURN_IF_ERROR(CheckShape(plan, "plan"));
  if (plan.units() != p.units)
    return InvalidArgument("the old plan has {} units, the model {}: it is a plan of another model",
                           plan.units(), p.units);
  Assignment out(static_cast<size_t>(p.units));
  for (const PlanStage& stage : plan.stages) {
    const auto name = std::find(p.server_names.begin(), p.server_names.end(), stage.server);
    if (name == p.server_names.end()) continue;
    for (int u = stage.first_unit; u <= stage.last_unit; ++u) {
      const std::string mix = stage.types[static_cast<size_t>(u - stage.first_unit)].ToString();
      for (int q = 0; q < p.types; ++q)
        if (p.Offered(u, q) && p.type_names[p.Uq(u, q)] == mix)
          out[static_cast<size_t>(u)] = {static_cast<int>(name - p.server_names.begin()), q};
    }
  }
  return out;
}

absl::StatusOr<std::vector<double>> SecondsPerByte(const PlanInputs& in) {
  std::vector<double> out;
  for (const Server& server : in.cluster.servers) {
    if (server.forbidden) {
      out.push_back(0);  // holds nothing
      continue;
    }
    ASSIGN_OR_RETURN(const LinkProfile link, in.profile.Link(kUser, server.name));
    out.push_back(kBitsPerByte / (link.bandwidth_bps * in.cluster.Between(kUser, server.name).share));
  }
  return out;
}

double MoveSeconds(const Problem& p, const std::vector<double>& per_byte, int u, int n, int q) {
  return per_byte[static_cast<size_t>(n)] * static_cast<double>(p.weight_bytes[p.Uq(u, q)]);
}

void SetMoveCosts(const Assignment& old, const std::vector<double>& per_byte, double requests, Problem& p) {
  p.move_s.assign(static_cast<size_t>(p.units) * p.servers * p.types, 0);
  for (int u = 0; u < p.units; ++u)
    for (int n = 0; n < p.servers; ++n)
      for (int q = 0; q < p.types; ++q)
        if (p.Offered(u, q) && old[static_cast<size_t>(u)] != Placement{n, q})
          p.move_s[p.At(u, n, q)] = MoveSeconds(p, per_byte, u, n, q) / requests;
}

std::vector<Move> MovesOf(const Problem& p, const Assignment& old, const Assignment& now,
                          const std::vector<double>& per_byte) {
  std::vector<Move> moves;
  for (int u = 0; u < p.units; ++u) {
    const Placement at = now[static_cast<size_t>(u)];
    if (at == old[static_cast<size_t>(u)]) continue;
    const std::string& server = p.server_names[static_cast<size_t>(at.server)];
    if (moves.empty() || moves.back().server != server || moves.back().last_unit != u - 1)
      moves.push_back({server, u, u, 0, 0});
    moves.back().last_unit = u;
    moves.back().bytes += p.weight_bytes[p.Uq(u, at.type)];
    moves.back().seconds += MoveSeconds(p, per_byte, u, at.server, at.type);
  }
  return moves;
}

// The best plan that leaves on its server what can stay there; empty where there is none.
Assignment Repaired(const Problem& problem, const Assignment& old, const SolveOptions& options) {
  Problem p = problem;
  for (int u = 0; u < p.units; ++u) {
    const Placement at = old[static_cast<size_t>(u)];
    if (at.server < 0 || !p.Possible(u, at.server, at.type)) continue;
    for (int n = 0; n < p.servers; ++n)
      if (n != at.server) p.allowed[p.Un(u, n)] = 0;
  }
  SolveOptions quick = options;
  quick.progress = nullptr;
  quick.start.clear();
  quick.gap = std::max(options.gap, kWarmGap);
  quick.time_limit_s = options.time_limit_s * kWarmShare;
  return MakeSolver(kDefaultSolver).value()->Solve(p, quick).assignment;
}

}  // namespace

absl::StatusOr<Replanned> Replan(const Plan& old_plan, const PlanInputs& changed, Problem& problem,
                                 const ReplanOptions& options) {
  if (!(options.serve_requests > 0))
    return InvalidArgument("moving must pay off over more than {} requests", options.serve_requests);
  ASSIGN_OR_RETURN(const Assignment old, WhatIsLeft(old_plan, problem));
  ASSIGN_OR_RETURN(const std::vector<double> per_byte, SecondsPerByte(changed));
  SetMoveCosts(old, per_byte, options.serve_requests, problem);
  Replanned out;
  const bool whole = std::none_of(old.begin(), old.end(), [](const Placement& at) { return at.server < 0; });
  SolveOptions solve = options.solve;
  if (whole) {
    const Evaluation e = Evaluate(problem, old);
    out.old_breaks = e.Text();
    if (e.ok()) {
      out.old_request_s = e.request_s;
      solve.start = old;
    }
  } else {
    out.old_breaks = "some of its servers or types are not there any more";
  }
  if (!out.old_breaks.empty()) solve.start = Repaired(problem, old, solve);
  out.result = MakeSolver(kDefaultSolver).value()->Solve(problem, solve);
  if (!out.result.HasAssignment()) return out;
  out.moves = MovesOf(problem, old, out.result.assignment, per_byte);
  for (const Move& move : out.moves) {
    out.moved_bytes += move.bytes;
    out.move_s += move.seconds;
  }
  return out;
}

int64_t KeepShards(const Plan& old_plan, Plan& plan) {
  int64_t shipped = 0;
  for (PlanStage& stage : plan.stages) {
    const auto same = std::find_if(old_plan.stages.begin(), old_plan.stages.end(), [&](const PlanStage& old) {
      return old.first_unit == stage.first_unit && old.last_unit == stage.last_unit &&
             old.types == stage.types;
    });
    if (same != old_plan.stages.end() && old_plan.model_sha256 == plan.model_sha256) {
      stage.shard = same->shard;
      stage.shard_bytes = same->shard_bytes;
      if (same->server == stage.server) continue;
    }
    shipped += stage.weight_bytes;
  }
  return shipped;
}

}  // namespace dilemma
