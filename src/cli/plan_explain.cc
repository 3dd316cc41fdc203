#include "cli/plan_explain.h"

#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "planner/explain.h"

namespace dilemma::cli {
namespace {

std::string Saved(double seconds) { return seconds > 0 ? FormatDuration(seconds) : "-"; }

std::string Amount(double amount) { return fmt::format("{:.4g}", amount); }

}  // namespace

absl::StatusOr<Explanation> Explain(const Problem& problem, const SolveResult& result,
                                    const std::vector<Resource>& resources, double time_limit_s, double gap) {
  ProgressLine line("explaining");
  ExplainOptions options;
  options.time_limit_s = time_limit_s;
  options.gap = std::max(gap, 1e-9);
  options.stop = [] { return Interrupted(); };
  options.progress = [&line](double fraction, std::string_view what) {
    line.Update(fraction, std::string(what));
  };
  auto explanation = ExplainPlan(problem, result, resources, options);
  if (absl::IsCancelled(explanation.status())) return Explanation{};
  return explanation;
}

std::string RenderExplanation(const Explanation& explanation) {
  if (explanation.empty()) return "";
  Table table({"what more of it saves", ">used", ">of", "unit", ">one more", ">least that helps", ">saves",
               ">without the limit", ""});
  std::string useless;
  int rows = 0;
  for (const LimitWorth& worth : explanation.limits) {
    if (worth.all_s <= 0 && worth.proven) {
      useless += (useless.empty() ? "" : ", ") + worth.limit;
      continue;
    }
    ++rows;
    table.Add({worth.limit, worth.used.has_value() ? Amount(*worth.used) : "", Amount(worth.of), worth.unit,
               Saved(worth.one_s), worth.least > 0 ? "+" + Amount(worth.least) : "-", Saved(worth.least_s),
               Saved(worth.all_s), worth.proven ? "proven" : "not proven"});
  }
  std::string out = rows > 0 ? "\n" + table.ToString() : "";
  if (!useless.empty()) out += "no amount of these saves anything (proven): " + useless + "\n";
  for (const UnusedServer& server : explanation.unused) out += "not used: " + server.text + "\n";
  return out;
}

absl::Status NoPlan(const Program& program, const Problem& problem, const SolveResult& result,
                    const SolveOptions& options) {
  if (Interrupted()) return InterruptedStatus();
  if (result.status == SolveStatus::kUnknown) {
    return FailedPrecondition("no plan was found within the time limit ({}); give it more with --time-limit",
                              result.reason);
  }
  const Infeasibility why = ExplainInfeasible(problem, options);
  Json remedies = Json::array();
  std::string text = why.reason.empty() ? result.reason : why.reason;
  for (const Remedy& remedy : why.remedies) {
    remedies.push_back({{"resource", remedy.resource},
                        {"possible", remedy.possible},
                        {"proven", remedy.proven},
                        {"from", remedy.from},
                        {"to", remedy.to},
                        {"text", remedy.text}});
    text += "\n  " + remedy.text;
  }
  if (program.json) PrintJson({{"status", "infeasible"}, {"reason", why.reason}, {"remedies", remedies}});
  return FailedPrecondition("no plan can keep every limit: {}", text);
}

}  // namespace dilemma::cli
