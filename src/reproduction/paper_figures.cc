#include "reproduction/paper_figures.h"

#include <string>

#include "base/units.h"
#include "fmt/format.h"

namespace dilemma {
namespace {

constexpr double kTeacherLoss = 0.0591, kStudentLoss = 0.0605;

const Json* RowNamed(const Json& study, std::string_view name) {
  if (!study["quality"].contains("rows")) return nullptr;
  for (const Json& row : study["quality"]["rows"])
    if (row["name"].get<std::string>() == name) return &row;
  return nullptr;
}

std::string Percent(double value) { return fmt::format("{:+.1f} %", 100 * value); }

std::string LossText(const Json& teacher, const Json& student) {
  const Json& ratio = student["loss_ratio"];
  return fmt::format("{:.4f} to {:.4f}, {} (95 %: {} to {})", teacher["loss"]["mean"].get<double>(),
                     student["loss"]["mean"].get<double>(), Percent(ratio["mean"].get<double>() - 1),
                     Percent(ratio["low"].get<double>() - 1), Percent(ratio["high"].get<double>() - 1));
}

Json Row(std::string_view what, const std::string& paper, Json here, std::string_view why) {
  Json row = Json::object();
  row["what"] = what;
  row["paper"] = paper;
  row["here"] = std::move(here);
  row["why"] = why;
  return row;
}

Json LossRow(const Json& study, std::string_view name, std::string_view what) {
  const Json *teacher = RowNamed(study, "teacher"), *student = RowNamed(study, name);
  Json here = nullptr;
  if (teacher != nullptr && student != nullptr) here = LossText(*teacher, *student);
  return Row(
      what, fmt::format("{} to {}, {}", kTeacherLoss, kStudentLoss, Percent(kStudentLoss / kTeacherLoss - 1)),
      std::move(here),
      "Compare the change, not the value: the paper's is the loss of a model that was fine-tuned on the "
      "task, and "
      "distilled by training; ours is that of the gold answers' tokens after a prompt, and distillation goes "
      "layer by "
      "layer, without training.");
}

// MethodResult time of ours at the ends of an axis.
std::string Ends(const Json& axis) {
  const Json *first = nullptr, *last = nullptr;
  for (const Json& point : axis["points"]) {
    if (point["method"] != "ours" || point["request_s"].is_null()) continue;
    if (first == nullptr) first = &point;
    last = &point;
  }
  if (first == nullptr) return "no plan";
  const std::string unit = axis["unit"].get<std::string>();
  return fmt::format("{} at {:g} {} to {} at {:g} {}", FormatDuration((*first)["request_s"].get<double>()),
                     (*first)["at"].get<double>(), unit, FormatDuration((*last)["request_s"].get<double>()),
                     (*last)["at"].get<double>(), unit);
}

std::string SolverText(const Json& part) {
  const Json& last = part["cases"].back();
  const Json& cbc = last["cbc"];
  const bool proven = cbc["status"] == "optimal";
  std::string text = fmt::format("{}: ours {}, CBC {}", last["name"].get<std::string>(),
                                 FormatDuration(last["ours"]["seconds"].get<double>()),
                                 FormatDuration(cbc["seconds"].get<double>()));
  if (!proven && cbc["gap"].is_number())
    text += fmt::format(", not proven, {:.0f} % gap left", 100 * cbc["gap"].get<double>());
  if (!proven && cbc["gap"].is_null()) text += ", without a plan";
  return text;
}

}  // namespace

Json ComparedWithPaper(const Json& study) {
  constexpr std::string_view kOwnServers =
      "Servers and rates are our own here (docs/reproduce.md), so that trends can be compared and seconds "
      "cannot.";
  Json rows = Json::array();
  rows.push_back(
      Row("quantization ratio (size against 32 bits)", "down to 12.75 %",
          fmt::format("{:.2f} %", 100 * study["ratio"].get<double>()),
          "The paper counts the bits of a weight, 4 of 32 being 12.5 %; here everything counts that is "
          "stored: scales (a 4-bit type has 4.5 bits), norms, biases. How low a plan goes is set by the "
          "loss budget."));
  rows.push_back(LossRow(study, "joint-distilled", "loss, joint plan with distillation"));
  rows.push_back(LossRow(study, "joint", "loss, joint plan alone"));
  rows.push_back(
      Row("completion time against link speed", "a figure", Ends(study["completion"]["link"]), kOwnServers));
  rows.push_back(
      Row("completion time against CPU speed", "a figure", Ends(study["completion"]["cpu"]), kOwnServers));
  rows.push_back(
      Row("solver", "a free solver, through PuLP", SolverText(study["solver_time"]),
          "PuLP comes with CBC. Products of two placements make a weak relaxation; the own method bounds "
          "whole blocks of layers instead (docs/formulation.md)."));
  return rows;
}

}  // namespace dilemma
