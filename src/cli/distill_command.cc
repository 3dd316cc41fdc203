#include "base/file.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "cli/command.h"
#include "distill/distill.h"
#include "engine/tokenizer.h"
#include "evaluation/text.h"
#include "model/gguf_reader.h"
#include "plan/plan.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string model, text, output = "distilled.gguf", plan, types, embedding, method = "distil", work;
  int64_t windows = 32, window = 512;
  uint32_t seed = 1;
  DistillOptions distill;
};

absl::StatusOr<std::vector<TypeMix>> TypesOf(const ModelInfo& model, const Options& options) {
  std::vector<TypeMix> types;
  if (!options.plan.empty()) {
    ASSIGN_OR_RETURN(const Plan plan, ReadPlan(options.plan));
    if (plan.units() != static_cast<int>(model.units.size())) {
      return InvalidArgument("{}: has {} units, but the model has {}", options.plan, plan.units(),
                             model.units.size());
    }
    for (int u = 0; u < plan.units(); ++u) types.push_back(plan.TypeOf(u));
    return types;
  }
  if (options.types.empty())
    return InvalidArgument("give --types, as in --types q4_0+ffn_down=q5_0, or --plan");
  ASSIGN_OR_RETURN(const TypeMix layers, TypeMix::Parse(options.types));
  ASSIGN_OR_RETURN(const TypeMix ends,
                   TypeMix::Parse(options.embedding.empty() ? options.types : options.embedding));
  types.assign(model.units.size(), layers);
  types.front() = types.back() = ends;
  return types;
}

absl::Status Run(const Program& program, Options options) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(options.model));
  ASSIGN_OR_RETURN(const std::vector<TypeMix> types, TypesOf(model, options));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(options.model));
  ASSIGN_OR_RETURN(const auto documents, ReadDocuments(options.text));
  ASSIGN_OR_RETURN(const auto windows,
                   MakeWindows(documents, *tokenizer,
                               {.window = options.window, .count = options.windows, .seed = options.seed}));
  if (options.method == "importance") options.distill.method = DistillMethod::kImportance;
  options.distill.work_dir = options.work.empty() ? options.output + ".work" : options.work;
  ProgressLine line("distilling");
  ASSIGN_OR_RETURN(
      const ShardInfo file,
      Distill(model, types, windows, options.distill, options.output, [&](const DistillEvent& event) {
        line.Update(static_cast<double>(event.done) / event.total, event.unit);
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
  command
      ->add_option("--calib", options->text,
                   "Calibration text: a text file, a folder of them, or a SQuAD file")
      ->required();
  command->add_option("--types", options->types, "Types of every layer, as in q4_0+ffn_down=q5_0");
  command->add_option("--ends", options->embedding, "Types of embedding and head (default: as the layers')");
  command->add_option("--plan", options->plan, "Types from a plan instead");
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
  command->add_option("--windows", options->windows, "Windows of the text, drawn at random")
      ->check(CLI::Range(4, 4096))
      ->capture_default_str();
  command->add_option("--window", options->window, "Tokens in one")
      ->check(CLI::Range(16, 4096))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Which windows are drawn")->capture_default_str();
  command->add_option("--threads", options->distill.threads, "0: all cores")->capture_default_str();
}

}  // namespace dilemma::cli
