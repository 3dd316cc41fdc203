#include "reproduction/reproduction.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "planner/make_plan.h"
#include "planner/solver.h"
#include "reproduction/paper_figures.h"
#include "reproduction/study_json.h"
#include "study/plan_inputs.h"
#include "study/trade_off.h"

namespace dilemma {
namespace {

constexpr int kVersion = 1;

// The work of one study, part by part; each has its share of the progress.
class Study {
 public:
  Study(const StudyModel& model, const StudyOptions& options, const StudyControl& control)
      : model_(model), options_(options), control_(control), pieces_(options.work_dir) {}

  absl::StatusOr<Json> Run();

 private:
  // Progress within [from, to] of the whole.
  StudyControl Within(double from, double to) const {
    StudyControl part = control_;
    if (control_.progress)
      part.progress = [this, from, to](double fraction, std::string_view what) {
        return control_.progress(from + (to - from) * std::clamp(fraction, 0.0, 1.0), what);
      };
    return part;
  }
  absl::StatusOr<Problem> ProblemAt(const Speeds& speeds, Setting* setting = nullptr) const;
  absl::StatusOr<Json> PlanPart(const StudyControl& control);
  absl::StatusOr<Json> Sweep(std::string_view name, const std::vector<double>& values,
                             Speeds (*speeds)(double), const StudyControl& control) const;
  absl::StatusOr<Json> SolverPart(const StudyControl& control) const;
  absl::StatusOr<Json> QualityPart(const StudyControl& control) const;

  const StudyModel& model_;
  const StudyOptions& options_;
  const StudyControl& control_;
  Pieces pieces_;
  double budget_ = 0;
  Plan plan_;
  Problem problem_;
};

absl::StatusOr<Problem> Study::ProblemAt(const Speeds& speeds, Setting* setting) const {
  ASSIGN_OR_RETURN(Setting made, PaperSetting(model_.planned, model_.quality, options_.workload, speeds));
  PlanLimits limits;
  limits.loss_budget = budget_;
  ASSIGN_OR_RETURN(Problem problem, BuildProblem(model_.planned, made.cluster, made.profile, model_.quality,
                                                 options_.workload, limits));
  if (setting != nullptr) *setting = std::move(made);
  return problem;
}

absl::StatusOr<Json> Study::PlanPart(const StudyControl& control) {
  ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(options_.as_good_as));
  ASSIGN_OR_RETURN(const double uniform, UniformLoss(model_.quality, type));
  budget_ = options_.budget_factor * uniform;
  Setting setting;
  ASSIGN_OR_RETURN(problem_, ProblemAt({}, &setting));
  SolveOptions solve;
  solve.stop = control.stop;
  ASSIGN_OR_RETURN(const auto solver, MakeSolver(kDefaultSolver));
  const SolveResult result = solver->Solve(problem_, solve);
  if (control.stop && control.stop()) return absl::CancelledError("interrupted");
  if (!result.HasAssignment())
    return FailedPrecondition("no plan keeps the limits of the paper-like cluster: {}", result.reason);
  ASSIGN_OR_RETURN(plan_, MakePlan(problem_, result,
                                   {.model_name = model_.planned.name,
                                    .model_path = model_.planned.path,
                                    .model_sha256 = model_.sha256,
                                    .arch = model_.planned.arch,
                                    .cluster = setting.cluster.name,
                                    .workload = options_.workload,
                                    .loss_kind = model_.quality.kind}));
  TradeOffOptions curve;
  curve.points = options_.trade_off_points;
  curve.time_limit_s = options_.completion.time_limit_s;
  curve.progress = control.progress;
  curve.stop = control.stop;
  ASSIGN_OR_RETURN(const TradeOff trade_off, ComputeTradeOff(problem_, result.assignment, curve));
  ReportInputs inputs;
  inputs.plan = &plan_;
  inputs.model = &model_.planned;
  inputs.cluster = &setting.cluster;
  inputs.profile = &setting.profile;
  inputs.quality = &model_.quality;
  inputs.trade_off = &trade_off;
  return PlanReportData(inputs);
}

absl::StatusOr<Json> Study::Sweep(std::string_view name, const std::vector<double>& values,
                                  Speeds (*speeds)(double), const StudyControl& control) const {
  Json points = Json::array();
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string what = fmt::format("{} {:g}", name, values[i]);
    if (control.progress &&
        !control.progress(static_cast<double>(i) / static_cast<double>(values.size()), what))
      return absl::CancelledError("interrupted");
    ASSIGN_OR_RETURN(const Problem problem, ProblemAt(speeds(values[i])));
    ASSIGN_OR_RETURN(const auto completions,
                     CompareMethods(problem, values[i], options_.completion, control));
    for (const MethodResult& completion : completions) points.push_back(ToJson(completion));
  }
  return points;
}

absl::StatusOr<Json> Study::SolverPart(const StudyControl& control) const {
  Json rows = Json::array();
  ASSIGN_OR_RETURN(const auto cases, SolverCases(problem_, options_.solver_time));
  for (size_t i = 0; i < cases.size(); ++i) {
    if (control.progress && !control.progress(static_cast<double>(i) / static_cast<double>(cases.size()),
                                              "solver time: " + cases[i].name))
      return absl::CancelledError("interrupted");
    const Json inputs = {{"name", cases[i].name},
                         {"limit_s", options_.solver_time.time_limit_s},
                         {"gap", options_.solver_time.gap},
                         {"model", model_.sha256},
                         {"budget", budget_}};
    ASSIGN_OR_RETURN(Json row, pieces_.Get("solver-time", inputs, [&]() -> absl::StatusOr<Json> {
      ASSIGN_OR_RETURN(const SolverComparison comparison,
                       CompareSolvers(cases[i], options_.solver_time, control));
      return ToJson(comparison);
    }));
    rows.push_back(std::move(row));
  }
  return Json{{"time_limit_s", options_.solver_time.time_limit_s},
              {"gap", options_.solver_time.gap},
              {"cases", std::move(rows)}};
}

absl::StatusOr<Json> Study::QualityPart(const StudyControl& control) const {
  if (!options_.questions.has_value()) return Json{{"missing", options_.no_questions}};
  const auto uniform = [this](std::string_view type) {
    return std::vector<TypeMix>(model_.file.units.size(), *TypeMix::Parse(type));
  };
  std::vector<TypeMix> joint;
  for (int u = 0; u < plan_.units(); ++u) joint.push_back(plan_.TypeOf(u));
  const std::vector<Variant> variants = {
      {"teacher", "teacher", {}, false},
      {"uniform-8", "8-bit (q8_0)", uniform("q8_0"), false},
      {"uniform-4", "4-bit (q4_0)", uniform("q4_0"), false},
      {"joint", "joint", joint, false},
      {"joint-distilled", "joint, distilled", joint, true},
  };
  return AskQuestions(model_.file, model_.sha256, variants, *options_.questions, pieces_, control);
}

absl::StatusOr<Json> Study::Run() {
  if (options_.questions.has_value()) RETURN_IF_ERROR(CheckQuestions(model_.file, *options_.questions));
  ASSIGN_OR_RETURN(Json plan, PlanPart(Within(0, 0.1)));
  ASSIGN_OR_RETURN(Json link,
                   Sweep(
                       "link, Mbit/s:", options_.link_mbps,
                       [](double mbps) { return Speeds{.link_bps = mbps * 1e6}; }, Within(0.1, 0.2)));
  ASSIGN_OR_RETURN(Json cpu, Sweep(
                                 "CPU, factor:", options_.cpu_factors,
                                 [](double factor) { return Speeds{.cpu = factor}; }, Within(0.2, 0.3)));
  ASSIGN_OR_RETURN(Json solver, SolverPart(Within(0.3, 0.5)));
  ASSIGN_OR_RETURN(Json quality, QualityPart(Within(0.5, 1)));
  ASSIGN_OR_RETURN(const int64_t whole, BytesAt(model_.planned, "f32"));
  int64_t weights = 0;
  for (const PlanStage& stage : plan_.stages) weights += stage.weight_bytes;
  Json methods = Json::array();
  for (const Method& method : StudyMethods())
    methods.push_back({{"name", method.name}, {"label", method.label}});
  Json out = {
      {"format", "dilemma-reproduction"},
      {"version", kVersion},
      {"kind", "reproduction"},
      {"title", "DILEMMA's study, reproduced with " + model_.file.name},
      {"model", ModelJson(model_)},
      {"setting", SettingJson(options_.workload)},
      {"budget",
       {{"as_good_as", options_.as_good_as}, {"factor", options_.budget_factor}, {"loss", budget_}}},
      {"ratio", static_cast<double>(weights) / static_cast<double>(whole)},
      {"plan", std::move(plan)},
      {"methods", std::move(methods)},
      {"completion",
       {{"link", {{"unit", "Mbit/s"}, {"here", Speeds{}.link_bps / 1e6}, {"points", std::move(link)}}},
        {"cpu", {{"unit", "x"}, {"here", Speeds{}.cpu}, {"points", std::move(cpu)}}}}},
      {"solver_time", std::move(solver)},
      {"quality", std::move(quality)}};
  out["paper"] = ComparedWithPaper(out);
  if (control_.progress) control_.progress(1, "done");
  return out;
}

}  // namespace

absl::StatusOr<Json> Reproduce(const StudyModel& model, const StudyOptions& options,
                               const StudyControl& control) {
  return Study(model, options, control).Run();
}

}  // namespace dilemma
