#include "cli/plan_budget.h"

#include <cmath>

#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "budget/measured_budget.h"
#include "budget/size_budget.h"
#include "cli/eval_models.h"
#include "cli/plan_problem.h"
#include "cli/steps.h"
#include "planner/validate.h"
#include "quantizer/shard_writer.h"

namespace dilemma::cli {
namespace {

constexpr double kPerCent = 0.01;
// --size-ratio alone: how far above the least loss at that size a plan may be, so that placement has a
// choice.
constexpr double kSizeSlack = 1.1;

absl::Status NeedMeasured(const char* option, const QualityTable& quality) {
  if (quality.kind == LossKind::kMeasured) return absl::OkStatus();
  return InvalidArgument(
      "{} is in nats of KL, the quality table in '{}' loss: run `dilemma sensitivity MODEL --calib TEXT -o "
      "quality.json` and give it with --quality",
      option, Name(quality.kind));
}

// The limit on loss where only the size is given.
absl::StatusOr<double> LossForSize(const QualityTable& quality, int64_t bytes) {
  ASSIGN_OR_RETURN(const SizedChoice best, LeastLossWithin(quality, bytes));
  return kSizeSlack * best.loss;
}

absl::StatusOr<double> LossBudget(const BudgetOptions& options, const QualityTable& quality, PlanMeter* meter,
                                  int64_t size_budget) {
  if (options.max_loss >= 0) return options.max_loss;
  if (options.max_kl >= 0) {
    RETURN_IF_ERROR(NeedMeasured("--max-kl", quality));
    return options.max_kl;
  }
  if (options.max_loss_increase >= 0) {
    RETURN_IF_ERROR(NeedMeasured("--max-loss-increase", quality));
    if (meter == nullptr)
      return InvalidArgument("--max-loss-increase needs --check-text: the teacher's loss is measured on it");
    ProgressLine line("the teacher's loss");
    ASSIGN_OR_RETURN(const double loss, meter->TeacherLoss(ShowProgress(line, "window")));
    return options.max_loss_increase * kPerCent * loss;
  }
  if (!options.LimitsLoss()) return LossForSize(quality, size_budget);
  ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(options.as_good_as));
  return UniformLoss(quality, type);
}

std::vector<TypeMix> TypesOf(const Problem& problem, const Assignment& assignment) {
  std::vector<TypeMix> types;
  for (size_t u = 0; u < assignment.size(); ++u)
    types.push_back(
        TypeMix::Parse(problem.type_names[problem.Uq(static_cast<int>(u), assignment[u].type)]).value());
  return types;
}

MeasuredMean ToMean(const Estimate& estimate, double scale = 1) {
  return {estimate.mean * scale, estimate.low * scale, estimate.high * scale};
}

// Measures assignments, remembering what it found for each.
class Checker {
 public:
  Checker(const Problem& problem, PlanMeter& meter, bool limits_loss)
      : problem_(problem), meter_(meter), limits_loss_(limits_loss) {}

  absl::StatusOr<double> Measure(const Assignment& assignment) {
    ProgressLine line(fmt::format("measuring plan {}", known_.size() + 1));
    ASSIGN_OR_RETURN(const MeasuredLoss loss,
                     meter_.Measure(TypesOf(problem_, assignment), ShowProgress(line, "pass")));
    known_.emplace_back(assignment, loss);
    return limits_loss_ ? loss.added.mean : loss.kl.mean;
  }

  absl::StatusOr<QualityCheck> Check(const Assignment& assignment) {
    for (const auto& [other, loss] : known_) {
      if (TypesOf(problem_, other) != TypesOf(problem_, assignment)) continue;
      QualityCheck check;
      check.kl = ToMean(loss.kl);
      ASSIGN_OR_RETURN(check.teacher_loss, meter_.TeacherLoss());
      check.loss_increase = ToMean(loss.added, 1 / check.teacher_loss);
      return check;
    }
    return Internal("the plan was not measured");
  }

 private:
  const Problem& problem_;
  PlanMeter& meter_;
  const bool limits_loss_;
  std::vector<std::pair<Assignment, MeasuredLoss>> known_;
};

std::string TextLabel(const BudgetOptions& options) {
  return fmt::format("{} ({}): {} windows of {} tokens at most", options.check_text, options.check_part,
                     options.windows.count, options.windows.window);
}

}  // namespace

bool BudgetOptions::LimitsLoss() const {
  return max_loss >= 0 || max_kl >= 0 || max_loss_increase >= 0 || size_ratio < 0 ||
         command->count("--as-good-as") > 0;
}

bool BudgetOptions::Given() const {
  return max_loss >= 0 || max_kl >= 0 || max_loss_increase >= 0 || size_ratio >= 0 ||
         command->count("--as-good-as") > 0;
}

void AddBudgetOptions(CLI::App* command, BudgetOptions& options) {
  options.command = command;
  const auto number = [&](const char* name, double& value, const char* help) {
    return command->add_option(name, value, help)->check(CLI::NonNegativeNumber);
  };
  auto* loss = number("--max-loss", options.max_loss, "Budget, in the quality table's own measure");
  auto* kl = number("--max-kl", options.max_kl,
                    "Budget: KL(teacher || plan), nats a token; needs a measured quality table");
  auto* increase =
      number("--max-loss-increase", options.max_loss_increase,
             "Budget: by how many per cent the negative log-likelihood of --check-text may rise (as many "
             "per cent of the teacher's, in nats of KL); needs a measured quality table");
  auto* type =
      command
          ->add_option("--as-good-as", options.as_good_as, "Budget: the loss of the whole model at this type")
          ->capture_default_str();
  kl->excludes(loss);
  increase->excludes(loss)->excludes(kl);
  type->excludes(loss)->excludes(kl)->excludes(increase);
  number("--size-ratio", options.size_ratio,
         "Limit on all weights together, embedding and head included, in per cent of the model in 32-bit "
         "floats; "
         "alone, the loss may be 10 % above the least at that size")
      ->check(CLI::Range(0.0, 100.0));
  command->add_option(
      "--check-text", options.check_text,
      "Text to measure the plan on, really quantized, and repair it until it keeps its budget (a text "
      "file, a folder of them, or a SQuAD file); best one that sensitivity was not measured on");
  command->add_option("--check-part", options.check_part, "Of a SQuAD file: all, calibration or test")
      ->capture_default_str();
  command->add_option("--check-windows", options.windows.count, "Windows of that text at most; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--check-window", options.windows.window, "Tokens in one")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 17))
      ->capture_default_str();
  command->add_option("--check-rounds", options.rounds, "Times that the problem is solved again at most")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

absl::StatusOr<std::unique_ptr<PlanMeter>> MakeMeter(const BudgetOptions& options, const ModelInfo& model,
                                                     Importance importance) {
  if (options.check_text.empty()) return nullptr;
  ASSIGN_OR_RETURN(const auto documents, ReadPart(options.check_text, options.check_part));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(model.path));
  ASSIGN_OR_RETURN(auto windows, MakeWindows(documents, *tokenizer, options.windows));
  PlanMeterOptions meter;
  if (TensorBytes bytes = QuantizeByImportance(model, std::move(importance))) {
    meter.write = [model, bytes = std::move(bytes)](std::span<const TypeMix> types,
                                                    const std::filesystem::path& path) {
      return WriteWholeFrom(model, types, bytes, /*tied=*/false, path).status();
    };
  }
  return PlanMeter::Create(model, std::move(windows), meter);
}

absl::Status ApplyBudget(const BudgetOptions& options, const ModelInfo& model, const QualityTable& quality,
                         PlanMeter* meter, PlanLimits& limits) {
  if (options.size_ratio >= 0) {
    limits.size_budget =
        static_cast<int64_t>(options.size_ratio * kPerCent * static_cast<double>(Fp32Bytes(model)));
  }
  auto loss = LossBudget(options, quality, meter, limits.size_budget);
  if (!loss.ok() && options.size_ratio >= 0)
    return Annotate(loss.status(), fmt::format("--size-ratio {:g}", options.size_ratio));
  if (!loss.ok()) return loss.status();
  limits.loss_budget = *loss;
  return absl::OkStatus();
}

absl::StatusOr<CheckedPlan> SolveChecked(const BudgetOptions& options, const PlanInputs& in,
                                         const Problem& problem, PlanMeter* meter, const std::string& method,
                                         double time_limit_s, double gap) {
  const SolveProblem solve = [&](const Problem& p, const Assignment& start) -> absl::StatusOr<SolveResult> {
    ProgressLine line("planning");
    SolveOptions solve_options = MakeSolveOptions(time_limit_s, gap, line);
    solve_options.start = start;
    return SolveBy(method, p, solve_options);
  };
  CheckedPlan plan;
  plan.problem = problem;
  if (meter == nullptr) {
    ASSIGN_OR_RETURN(plan.result, solve(problem, {}));
    return plan;
  }
  const bool limits_loss = options.max_loss_increase >= 0;
  Checker checker(problem, *meter, limits_loss);
  std::vector<CheckRound> rounds;
  const bool has_target = in.quality.kind == LossKind::kMeasured && options.LimitsLoss();
  if (has_target) {
    const auto said = [](int, int, const CheckRound& round) {
      Say(fmt::format("{}: estimate {:.4f}, measured {:.4f} nats, {} a request", round.how, round.estimate,
                      round.measured, FormatDuration(round.request_s)));
    };
    MeasuredBudgetOptions repair;
    repair.rounds = options.rounds;
    ASSIGN_OR_RETURN(
        MeasuredPlan measured,
        SolveWithinMeasured(
            problem, solve, [&](const Assignment& a) { return checker.Measure(a); }, repair, said));
    plan.result = std::move(measured.result);
    if (measured.rounds.empty()) return plan;
    if (!plan.result.HasAssignment()) return FailedPrecondition("{}", plan.result.reason);
    plan.problem.loss_budget = measured.budget;
    rounds = std::move(measured.rounds);
  } else {
    ASSIGN_OR_RETURN(plan.result, solve(problem, {}));
    if (!plan.result.HasAssignment()) return plan;
    RETURN_IF_ERROR(checker.Measure(plan.result.assignment).status());
  }
  ASSIGN_OR_RETURN(plan.check, checker.Check(plan.result.assignment));
  plan.check->text = TextLabel(options);
  plan.check->rounds = std::move(rounds);
  if (has_target) {
    plan.check->unit = limits_loss ? "loss" : "kl";
    plan.check->target = problem.loss_budget;
  }
  return plan;
}

std::string RenderCheck(const Plan& plan) {
  if (!plan.check.has_value()) return "";
  const QualityCheck& check = *plan.check;
  std::string out = "\nmeasured on " + check.text + "\n";
  if (!check.rounds.empty()) {
    Table table({"plan", ">estimated (nats)", ">measured", ">budget", ">a request", ""});
    for (const CheckRound& round : check.rounds) {
      table.Add({round.how, fmt::format("{:.4f}", round.estimate), fmt::format("{:.4f}", round.measured),
                 fmt::format("{:.4f}", check.target), FormatDuration(round.request_s),
                 round.kept ? "kept" : ""});
    }
    out += table.ToString();
  }
  const std::string estimate =
      plan.loss_kind == Name(LossKind::kMeasured) ? fmt::format(", {:.4f} were estimated", plan.loss) : "";
  return out + fmt::format(
                   "KL to the teacher {:.4f} [{:.4f}, {:.4f}] nats a token{}; the text's loss rises from "
                   "{:.4f} nats a token by {:.2f} % [{:.2f}, {:.2f}]\n",
                   check.kl.mean, check.kl.low, check.kl.high, estimate, check.teacher_loss,
                   100 * check.loss_increase.mean, 100 * check.loss_increase.low,
                   100 * check.loss_increase.high);
}

}  // namespace dilemma::cli
