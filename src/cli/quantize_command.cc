#include "base/file.h"
#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string plan, model, shards, whole;
};

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
  RETURN_IF_ERROR(WriteShards(model, plan, options.shards));
  RETURN_IF_ERROR(WriteJson(options.plan, PlanToJson(plan)));
  if (!options.whole.empty()) {
    std::vector<TypeMix> types;
    for (int u = 0; u < plan.units(); ++u) types.push_back(plan.TypeOf(u));
    ProgressLine line("writing the whole model");
    RETURN_IF_ERROR(WriteWhole(model, types, options.whole, [&](int done, int total) {
                      line.Update(static_cast<double>(done) / total, "");
                      return !Interrupted();
                    }).status());
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
  Print(table.ToString() +
        fmt::format("\nshards are in {}; their hashes are in {}\n", options.shards, options.plan));
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
}

}  // namespace dilemma::cli
