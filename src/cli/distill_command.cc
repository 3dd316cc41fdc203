#include "base/file.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "cli/calibration.h"
#include "cli/command.h"
#include "cli/time_left.h"
#include "distill/choose_types.h"
#include "distill/distill.h"
#include "model/gguf_reader.h"
#include "plan/plan.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string model, output = "distilled.gguf", plan, types, embedding, quality, max_bytes, method = "distil",
                     work;
  CalibrationOptions calibration;
  DistillOptions distill;
};

absl::StatusOr<std::vector<TypeMix>> TypesOf(const ModelInfo& model, const Options& options) {
  if (!options.plan.empty()) {
    ASSIGN_OR_RETURN(const Plan plan, ReadPlan(options.plan));
    if (plan.units() != static_cast<int>(model.units.size())) {
      return InvalidArgument("{}: has {} units, but the model has {}", options.plan, plan.units(),
                             model.units.size());
    }
    return plan.Types();
  }
  if (!options.quality.empty()) {
    if (options.max_bytes.empty())
      return InvalidArgument("--quality goes with --max-file, the size aimed at");
    ASSIGN_OR_RETURN(const QualityTable table, ReadQuality(options.quality));
    ASSIGN_OR_RETURN(const int64_t max_bytes, ParseBytes(options.max_bytes));
    ASSIGN_OR_RETURN(ChosenTypes chosen, ChooseTypes(model, table, max_bytes));
    Say(fmt::format("types for {}: loss {:.4g} ({}) by the table", FormatBytes(chosen.file_bytes),
                    chosen.loss, Name(table.kind)));
    return std::move(chosen.types);
  }
  if (options.types.empty()) {
    return InvalidArgument(
        "give --types, as in --types q4_0+ffn_down=q5_0, --quality with --max-file, or --plan");
  }
  ASSIGN_OR_RETURN(const TypeMix layers, TypeMix::Parse(options.types));
  ASSIGN_OR_RETURN(const TypeMix ends,
                   TypeMix::Parse(options.embedding.empty() ? options.types : options.embedding));
  std::vector<TypeMix> types(model.units.size(), layers);
  types.front() = types.back() = ends;
  return types;
}

absl::Status Run(const Program& program, Options options) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(options.model));
  ASSIGN_OR_RETURN(const std::vector<TypeMix> types, TypesOf(model, options));
  ASSIGN_OR_RETURN(const auto windows, ReadCalibration(options.model, options.calibration));
  if (options.method == "importance") options.distill.method = DistillMethod::kImportance;
  options.distill.work_dir = options.work.empty() ? options.output + ".work" : options.work;
  ProgressLine line("distilling");
  TimeLeft left;
  ASSIGN_OR_RETURN(
      const ShardInfo file,
      Distill(model, types, windows, options.distill, options.output, [&](const DistillEvent& event) {
        const double fraction = (event.done + event.part) / event.total;
        line.Update(fraction, event.unit + left(fraction));
        return !Interrupted();
      }));
  line.Finish();
  if (options.work.empty()) {  // its own, so that nothing is left behind
    std::error_code ignored;
    std::filesystem::remove_all(options.distill.work_dir, ignored);
  }
  if (program.json) {
    PrintJson({{"path", file.path.string()}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  } else {
    Print(fmt::format("{}: {}, sha256 {}\n", file.path.string(), FormatBytes(file.bytes), file.sha256));
  }
  return absl::OkStatus();
}

}  // namespace

void AddDistill(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(program, "distill", "Quantize a model layer by layer against its teacher's outputs",
                 "dilemma distill model.gguf --calib text.txt --types q4_0 --ends q8_0 -o student.gguf",
                 [&program, options] { return Run(program, *options); });
  command->add_option("model", options->model, "The GGUF file: the teacher")->required();
  AddCalibration(command, options->calibration)->required();
  command->add_option("--types", options->types, "Types of every layer, as in q4_0+ffn_down=q5_0");
  command->add_option("--ends", options->embedding, "Types of embedding and head (default: as the layers')");
  CLI::Option* types = command->get_option("--types");
  CLI::Option* quality = command
                             ->add_option("--quality", options->quality,
                                          "Choose each unit's types from a file of `dilemma sensitivity`")
                             ->excludes(types);
  command->add_option("--max-file", options->max_bytes, "The size they may have together, as in \"92 MB\"")
      ->needs(quality);
  command->add_option("--plan", options->plan, "Types from a plan instead")
      ->excludes(types)
      ->excludes(quality);
  command
      ->add_option("--method", options->method,
                   "distil: the whole recipe; importance: only the importance of each input")
      ->check(CLI::IsMember({"distil", "importance"}))
      ->capture_default_str();
  command->add_option("--output,-o", options->output, "The distilled model, a GGUF file")
      ->capture_default_str();
  command->add_option(
      "--work", options->work,
      "Folder for finished units, which an interrupted run takes up again (default: beside the output)");
  command->add_option("--threads", options->distill.threads, "0: all cores")->capture_default_str();
}

}  // namespace dilemma::cli
