#include "base/file.h"
#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/calibration.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "cli/time_left.h"
#include "distill/distill.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string plan, model, shards, whole, importance;
  bool distill = false;
  CalibrationOptions calibration;
};

// The model at the plan's types, made with the calibration text; finished layers are kept in `dir` until all
// are done, so that an interrupted run is taken up.
absl::StatusOr<ModelInfo> MakeWithText(const ModelInfo& model, const Plan& plan, const Options& options,
                                       const std::filesystem::path& dir) {
  ASSIGN_OR_RETURN(const auto windows, ReadCalibration(model.path, options.calibration));
  DistillOptions distill = {.work_dir = dir};
  if (!options.distill) distill.method = DistillMethod::kImportance;
  ProgressLine line(options.distill ? "distilling" : "weighing importance");
  TimeLeft left;
  const auto progress = [&](const DistillEvent& event) {
    const double fraction = (event.done + event.part) / event.total;
    line.Update(fraction, event.unit + left(fraction));
    return !Interrupted();
  };
  const std::filesystem::path path = dir / "model.gguf";
  RETURN_IF_ERROR(Distill(model, plan.Types(), windows, distill, path, progress).status());
  return ReadModel(path);
}

// `model` may be at the plan's types already; its tensors are copied then. `bytes`: null, or the weights.
absl::Status WriteAll(const ModelInfo& model, Plan& plan, const Options& options, const TensorBytes& bytes) {
  RETURN_IF_ERROR(WriteShards(model, plan, options.shards, bytes));
  RETURN_IF_ERROR(WriteJson(options.plan, PlanToJson(plan)));
  if (options.whole.empty()) return absl::OkStatus();
  ProgressLine line("writing the whole model");
  const auto progress = [&](int done, int total) {
    line.Update(static_cast<double>(done) / total, "");
    return !Interrupted();
  };
  return WriteWholeFrom(model, plan.Types(), bytes, /*tied=*/false, options.whole, progress).status();
}

// How the weights were made, for people.
std::string HowMade(const Options& options) {
  if (options.distill) return fmt::format("distilled on {}", options.calibration.text);
  if (!options.calibration.text.empty())
    return fmt::format("rounded by the importance of inputs on {}", options.calibration.text);
  if (!options.importance.empty())
    return fmt::format("rounded by the importance of inputs in {}", options.importance);
  return "rounded plainly (--importance takes what `dilemma sensitivity` measured)";
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(Plan plan, ReadPlan(options.plan));
  const std::string source = options.model.empty() ? plan.model_path : options.model;
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(source));
  ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(source));
  if (sha256 != plan.model_sha256) {
    return InvalidArgument("'{}' is not the model that {} was made for (sha256 {}..., the plan says {}...)",
                           source, options.plan, sha256.substr(0, 12), plan.model_sha256.substr(0, 12));
  }
  if (plan.units() != static_cast<int>(model.units.size())) {
    return InvalidArgument("{}: has {} units, but the model has {}", options.plan, plan.units(),
                           model.units.size());
  }
  if (options.distill && options.calibration.text.empty())
    return InvalidArgument("--distill needs --calib: a text file or a SQuAD file");
  if (!options.importance.empty() && !options.calibration.text.empty())
    return InvalidArgument("--importance and --calib both say how important inputs are: give one");
  for (PlanStage& stage : plan.stages) stage.shard.clear();  // those that are there may be of other weights
  if (options.calibration.text.empty()) {
    ASSIGN_OR_RETURN(const TensorBytes bytes, WeightsAsMeasured(model, options.importance));
    if (!options.importance.empty() && bytes == nullptr) {
      return InvalidArgument(
          "'{}' has no importance of inputs: measure it anew with `dilemma sensitivity --loss measured`",
          options.importance);
    }
    RETURN_IF_ERROR(WriteAll(model, plan, options, bytes));
  } else {
    const std::filesystem::path work = std::filesystem::path(options.shards) / "distill.work";
    ASSIGN_OR_RETURN(const ModelInfo made, MakeWithText(model, plan, options, work));
    RETURN_IF_ERROR(WriteAll(made, plan, options, nullptr));
    std::error_code ignored;
    std::filesystem::remove_all(work, ignored);
  }
  if (program.json) {
    PrintJson(PlanToJson(plan)["stages"]);
    return absl::OkStatus();
  }
  Table table({"server", "units", "types", ">bytes", "shard"});
  for (const PlanStage& stage : plan.stages) {
    table.Add({stage.server, UnitRange(model, stage.first_unit, stage.last_unit), TypeSummary(stage.types),
               FormatBytes(stage.shard_bytes), stage.shard.substr(0, 12) + ".gguf"});
  }
  Print(table.ToString() + fmt::format("\nweights are {}\nshards are in {}; their hashes are in {}\n",
                                       HowMade(options), options.shards, options.plan));
  return absl::OkStatus();
}

}  // namespace

void AddQuantize(Program& program) {
  auto options = std::make_shared<Options>();
  options->shards = "shards";
  CLI::App* command = AddCommand(
      program, "quantize", "Quantize and cut a model to a plan: one shard per server",
      "dilemma quantize plan.json --shards shards", [&program, options] { return Run(program, *options); });
  command->add_option("plan", options->plan, "What `dilemma plan` wrote; the shards' hashes are added to it")
      ->required();
  command->add_option("--model", options->model, "The GGUF file (default: where the plan says it is)");
  command->add_option("--shards,-s", options->shards, "Folder for the shards")->capture_default_str();
  command->add_option("--whole", options->whole,
                      "Also write the whole model at the plan's types as one GGUF file");
  command->add_flag("--distill", options->distill,
                    "Distil every layer against the model's own outputs on the calibration text");
  command->add_option(
      "--importance", options->importance,
      "Quality file (of `dilemma sensitivity`) by whose importance of inputs weights are rounded");
  AddCalibration(command, options->calibration)
      ->description(
          "Calibration text: a text file, a folder of them, or a SQuAD file. Without --distill, only the "
          "importance of each input is taken from it");
}

}  // namespace dilemma::cli
