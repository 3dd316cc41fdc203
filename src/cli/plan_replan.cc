#include "cli/plan_replan.h"

#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/plan_explain.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "study/replan.h"

namespace dilemma::cli {
namespace {

Json ToJson(const ReplanRequest& request, const Replanned& again, const Plan& plan, int64_t shipped) {
  Json moves = Json::array();
  for (const Move& move : again.moves) {
    moves.push_back({{"server", move.server},
                     {"first_unit", move.first_unit},
                     {"last_unit", move.last_unit},
                     {"bytes", move.bytes},
                     {"seconds", move.seconds}});
  }
  const bool holds = again.old_breaks.empty();
  return {{"changes", request.changes},
          {"old_plan", PlanToJson(request.old_plan)},
          {"before", {{"request_s", request.old_plan.predicted.request_s}}},
          {"unchanged",
           {{"request_s", holds ? Json(again.old_request_s) : Json(nullptr)},
            {"breaks", holds ? Json(nullptr) : Json(again.old_breaks)}}},
          {"after", {{"request_s", plan.predicted.request_s}}},
          {"plan", PlanToJson(plan)},
          {"moves", std::move(moves)},
          {"moved_bytes", again.moved_bytes},
          {"move_s", again.move_s},
          {"shipped_bytes", shipped},
          {"serve_requests", request.serve_requests}};
}

std::string Delays(const ReplanRequest& request, const Replanned& again, const Plan& plan) {
  std::string out =
      fmt::format("a request before: {}\n", FormatDuration(request.old_plan.predicted.request_s));
  out += again.old_breaks.empty() ? fmt::format("after, old plan:  {}\n", FormatDuration(again.old_request_s))
                                  : fmt::format("after, old plan:  impossible: {}\n", again.old_breaks);
  out += fmt::format("after, new plan:  {} ({}, gap {:.2g} %)\n", FormatDuration(plan.predicted.request_s),
                     plan.status, 100 * plan.gap);
  const double gain = again.old_request_s - plan.predicted.request_s;
  if (again.old_breaks.empty() && gain > 0 && again.move_s > 0)
    out += fmt::format("moving pays off after {:.0f} requests\n", again.move_s / gain);
  return out;
}

std::string Moves(const ReplanRequest& request, const Replanned& again, int64_t shipped) {
  if (again.moves.empty()) return "nothing moves\n";
  Table table({"moves to", "units", ">weights", ">over its link"});
  for (const Move& move : again.moves)
    table.Add({move.server, UnitRange(request.inputs.model, move.first_unit, move.last_unit),
               FormatBytes(move.bytes), FormatDuration(move.seconds)});
  table.Add({"all", "", FormatBytes(again.moved_bytes), FormatDuration(again.move_s)});
  return table.ToString() +
         fmt::format("a second of moving counts as 1/{:g} s a request; `run` ships whole shards: {}\n",
                     request.serve_requests, FormatBytes(shipped));
}

}  // namespace

absl::Status ReplanAndPrint(const Program& program, const ReplanRequest& request) {
  const PlanInputs& in = request.inputs;
  ASSIGN_OR_RETURN(Problem problem, BuildProblem(in));
  ProgressLine line("planning again");
  ReplanOptions options;
  options.serve_requests = request.serve_requests;
  options.solve = MakeSolveOptions(request.time_limit_s, request.gap, line);
  ASSIGN_OR_RETURN(const Replanned again, Replan(request.old_plan, in, problem, options));
  line.Finish();
  if (!again.result.HasAssignment()) return NoPlan(program, problem, again.result, options.solve);
  ASSIGN_OR_RETURN(Plan plan, ToPlan({in.model, request.sha256, in.cluster, in.quality, in.workload}, problem,
                                     again.result));
  const int64_t shipped = KeepShards(request.old_plan, plan);
  RETURN_IF_ERROR(WriteJson(request.out, PlanToJson(plan)));
  if (program.json) {
    PrintJson(ToJson(request, again, plan, shipped));
  } else {
    Print("old plan\n" + RenderPlan(request.old_plan, in.model) + "\nnew plan\n" +
          RenderPlan(plan, in.model) + "\n" + Moves(request, again, shipped) + "\n" +
          Delays(request, again, plan) + fmt::format("\nnew plan written to {}\n", request.out));
  }
  return Interrupted() ? InterruptedStatus() : absl::OkStatus();
}

}  // namespace dilemma::cli
