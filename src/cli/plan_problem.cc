#include "cli/plan_problem.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "base/interrupt.h"
#include "base/status.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/plan_explain.h"
#include "cli/plan_frontier.h"
#include "cli/steps.h"
#include "planner/baselines.h"
#include "planner/explain.h"
#include "planner/problem_file.h"
#include "planner/validate.h"

namespace dilemma::cli {
namespace {

std::string TypesOf(const Problem& problem, const SolveResult& result, const StageUse& stage) {
  std::string text;
  for (int u = stage.first_unit; u <= stage.last_unit; ++u)
    text += (text.empty() ? "" : " ") + std::to_string(result.assignment[static_cast<size_t>(u)].type);
  return problem.types > 1 ? text : "";
}

std::string RenderAnswer(const Problem& problem, const SolveResult& result) {
  std::string text =
      fmt::format("{} by {} in {}", Name(result.status), result.method, FormatDuration(result.seconds));
  if (!result.HasAssignment()) return text + (result.reason.empty() ? "" : ": " + result.reason) + "\n";
  text += fmt::format(": objective {}, bound {}, gap {:.4f} %\n\n", FormatDuration(result.objective_s),
                      FormatDuration(result.bound_s), 100 * result.gap);
  const Evaluation evaluation = Evaluate(problem, result.assignment);
  Table table({"units", "server", ">memory", ">compute", ">hop in", "types"});
  for (const StageUse& stage : evaluation.stages) {
    table.Add({fmt::format("{}-{}", stage.first_unit, stage.last_unit),
               problem.server_names[static_cast<size_t>(stage.server)],
               FormatBytes(stage.weight_bytes + stage.fixed_bytes + stage.stage_bytes),
               FormatDuration(stage.decode_s), FormatDuration(stage.hop_decode_s),
               TypesOf(problem, result, stage)});
  }
  text += table.ToString();
  for (const BindingLimit& limit : FindBinding(problem, result.assignment))
    text += "binds: " + limit.text + "\n";
  return text;
}

}  // namespace

absl::StatusOr<SolveResult> SolveBy(const std::string& method, const Problem& problem,
                                    const SolveOptions& options) {
  for (const Baseline& baseline : Baselines()) {
    if (baseline.name == method) return RunBaseline(method, problem, options);
  }
  ASSIGN_OR_RETURN(const auto solver, MakeSolver(method));
  return solver->Solve(problem, options);
}

absl::Status AnswerProblem(const Program& program, const ProblemOptions& problem_options) {
  const auto& [path, method, time_limit_s, gap, explain, frontier] = problem_options;
  ASSIGN_OR_RETURN(const Problem problem, ReadProblem(path));
  ProgressLine line("planning");
  const SolveOptions options = MakeSolveOptions(time_limit_s, gap, line);
  ASSIGN_OR_RETURN(SolveResult result, SolveBy(method, problem, options));
  if (result.status == SolveStatus::kInfeasible && !Interrupted()) {
    if (const Infeasibility why = ExplainInfeasible(problem, options); !why.reason.empty())
      result.reason += "; " + why.reason;
  }
  line.Finish();
  Explanation explanation;
  if (explain && result.HasAssignment() && !Interrupted()) {
    ASSIGN_OR_RETURN(explanation,
                     Explain(problem, result, ResourcesOf(problem, result.assignment), time_limit_s, gap));
  }
  std::optional<TradeOff> curve;
  if (frontier > 0 && result.HasAssignment() && !Interrupted()) {
    ASSIGN_OR_RETURN(curve, Frontier(problem, result.assignment, frontier, time_limit_s, gap));
  }
  if (program.json) {
    Json answer = AnswerToJson(result);
    if (!explanation.empty()) answer["explanation"] = ExplanationToJson(explanation);
    if (curve.has_value()) answer["trade_off"] = TradeOffToJson(*curve);
    PrintJson(answer);
  } else if (!result.HasAssignment() && !Interrupted()) {
    return FailedPrecondition("'{}' has no plan: {}", path,
                              std::string(absl::StripTrailingAsciiWhitespace(RenderAnswer(problem, result))));
  } else {
    Print(RenderAnswer(problem, result) + RenderExplanation(explanation) +
          (curve.has_value() ? RenderFrontier(*curve) : ""));
  }
  return Interrupted() ? InterruptedStatus() : absl::OkStatus();
}

}  // namespace dilemma::cli
