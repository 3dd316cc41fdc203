#include <algorithm>

#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/calibration.h"
#include "cli/command.h"
#include "cli/time_left.h"
#include "distill/sensitivity.h"
#include "model/gguf_reader.h"
#include "quality/quality.h"
#include "quantizer/weight_loss.h"

namespace dilemma::cli {
namespace {

// For whole models: the first tokens of many windows, as texts differ more than the parts of one do.
constexpr int64_t kHeldOut = 24;
constexpr size_t kHeldOutTokens = 256;

struct Options {
  std::string model, output = "quality.json", loss = "measured";
  CalibrationOptions calibration;
  SensitivityOptions measured;
};

absl::StatusOr<Sensitivity> Measure(const ModelInfo& model, const Options& options) {
  if (options.calibration.text.empty())
    return InvalidArgument("--calib is needed for --loss measured: a text file or a SQuAD file");
  ASSIGN_OR_RETURN(const auto windows, ReadCalibration(options.model, options.calibration));
  SensitivityOptions measured = options.measured;
  ASSIGN_OR_RETURN(measured.held_out, ReadHeldOut(options.model, options.calibration, kHeldOut));
  for (auto& window : measured.held_out) window.resize(std::min(window.size(), kHeldOutTokens));
  if (measured.held_out.empty()) {
    Say("warning: no text is left to measure whole models on, and sums of losses may be far below a plan's "
        "KL; give more text, or fewer --windows, and a --seed");
  }
  measured.work_file = options.output + ".part";
  ProgressLine line("measuring sensitivity");
  TimeLeft left;
  ASSIGN_OR_RETURN(Sensitivity found,
                   MeasureSensitivity(model, windows, measured, [&](const SensitivityEvent& event) {
                     const double fraction = (event.done + event.part) / event.total;
                     line.Update(fraction, event.unit + left(fraction));
                     return !Interrupted();
                   }));
  std::error_code ignored;
  std::filesystem::remove(measured.work_file, ignored);
  return found;
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(options.model));
  Sensitivity found;
  QualityTable& table = found.table;
  if (options.loss == "weight") {
    ProgressLine line("comparing weights");
    ASSIGN_OR_RETURN(table, WeightLoss(model, {}, [&](int done, int total) {
                       line.Update(static_cast<double>(done) / total, "");
                       return !Interrupted();
                     }));
  } else {
    ASSIGN_OR_RETURN(found, Measure(model, options));
  }
  Json json = QualityToJson(table);
  if (!found.importance.empty()) json["importance"] = ImportanceToJson(found.importance);
  for (const WholeModel& whole : found.whole_models) {
    json["whole_models"].push_back(
        {{"bytes", whole.bytes}, {"sum_of_units", whole.estimate}, {"kl", whole.kl}});
  }
  RETURN_IF_ERROR(WriteJson(options.output, json));
  if (program.json) {
    PrintJson(json);
    return absl::OkStatus();
  }
  Table printed({"unit", "choice", ">bytes", ">loss"});
  for (const UnitQuality& unit : table.units) {
    for (const Choice& choice : unit.choices) {
      printed.Add(
          {unit.unit, choice.mix.ToString(), FormatBytes(choice.bytes), fmt::format("{:.3g}", choice.loss)});
    }
  }
  if (!found.whole_models.empty()) {
    Print(printed.ToString());
    printed = Table({">whole model, bytes", ">KL alone, summed over units", ">KL measured"});
    for (const WholeModel& whole : found.whole_models) {
      printed.Add(
          {FormatBytes(whole.bytes), fmt::format("{:.3g}", whole.estimate), fmt::format("{:.3g}", whole.kl)});
    }
    Print(fmt::format("\nlosses above are what units lose alone, times {:.3g}:\n",
                      FactorOf(found.whole_models)));
  }
  Print(printed.ToString() +
        fmt::format("\nwritten to {}; give it to `dilemma plan --quality`\n", options.output));
  return absl::OkStatus();
}

}  // namespace

void AddSensitivity(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(program, "sensitivity", "Measure what each unit of a model loses at each tensor type",
                 "dilemma sensitivity model.gguf --calib text.txt -o quality.json",
                 [&program, options] { return Run(program, *options); });
  command->add_option("model", options->model, "The GGUF file")->required();
  AddCalibration(command, options->calibration);
  command
      ->add_option(
          "--loss", options->loss,
          "measured: nats of KL at the model's output; weight: the paper's weight difference, no text")
      ->check(CLI::IsMember({"measured", "weight"}))
      ->capture_default_str();
  command->add_option("--output,-o", options->output, "The quality file")->capture_default_str();
  command
      ->add_option("--probe-windows", options->measured.probe_windows,
                   "Of them for end-to-end KL (their first 256 tokens)")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--threads", options->measured.threads, "0: all cores")->capture_default_str();
}

}  // namespace dilemma::cli
