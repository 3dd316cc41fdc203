#include "cli/plan_frontier.h"

#include <cmath>

#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"

namespace dilemma::cli {
namespace {

std::string Verdict(const TradeOffPoint& point) {
  if (point.status == "optimal") return "proven";
  if (point.status == "infeasible") return "proven impossible";
  if (point.status == "feasible") return fmt::format("gap {:.2f} %", 100 * point.gap);
  return "none found in time";
}

void AddRow(Table& table, const std::string& what, const TradeOffPoint& point, const std::string& verdict) {
  if (point.request_s <= 0) return table.Add({what, "-", "-", "-", "-", "-", verdict});
  table.Add({what, fmt::format("{:.5g}", point.loss), FormatDuration(point.request_s),
             FormatDuration(point.decode_s), FormatDuration(point.prefill_s), std::to_string(point.servers),
             verdict});
}

}  // namespace

absl::Status CheckFrontier(const Problem& problem) {
  if (problem.objective == Objective::kLatency) return absl::OkStatus();
  return InvalidArgument("--frontier draws the delay of a request: leave out --objective throughput");
}

absl::StatusOr<TradeOff> Frontier(const Problem& problem, const Assignment& here, int points,
                                  double time_limit_s, double gap) {
  RETURN_IF_ERROR(CheckFrontier(problem));
  ProgressLine line("frontier");
  TradeOffOptions options;
  options.points = points;
  options.time_limit_s = time_limit_s;
  options.gap = gap;
  options.others = false;
  options.progress = [&line](double fraction, std::string_view what) {
    line.Update(fraction, std::string(what));
    return !Interrupted();
  };
  options.stop = [] { return Interrupted(); };
  return ComputeTradeOff(problem, here, options);
}

std::string RenderFrontier(const TradeOff& trade_off) {
  Table table({"loss budget", ">loss", ">a request", ">a token", ">first token", ">servers", ""});
  for (const TradeOffPoint& point : trade_off.curve)
    AddRow(table, std::isinf(point.budget) ? "none" : fmt::format("{:.5g}", point.budget), point,
           Verdict(point));
  AddRow(table, "this plan", trade_off.here, "");
  return "\n" + table.ToString();
}

}  // namespace dilemma::cli
