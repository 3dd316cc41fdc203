#include "cli/eval_models.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/interrupt.h"
#include "base/units.h"
#include "cli/render.h"
#include "cli/steps.h"
#include "evaluation/plan_model.h"

namespace dilemma::cli {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<Contender> FindFile(const std::string& path) {
  Contender contender;
  contender.name = fs::path(path).stem().string();
  contender.path = path;
  ASSIGN_OR_RETURN(contender.summary, SummarizeGguf(path));
  ASSIGN_OR_RETURN(contender.tokenizer, Tokenizer::Load(path));
  return contender;
}

absl::StatusOr<Contender> FindPlan(const EvalSources& sources) {
  if (sources.cluster.empty()) return InvalidArgument("--plan needs --cluster: where the plan's servers run");
  Contender contender;
  contender.name = fs::path(sources.plan).stem().string();
  contender.path = sources.plan;
  ASSIGN_OR_RETURN(contender.plan, ReadPlan(sources.plan));
  ASSIGN_OR_RETURN(contender.cluster, ReadReachableCluster(sources.cluster, sources.security));
  std::vector<TypeMix> types;
  for (const PlanStage& stage : contender.plan->stages) {
    contender.summary.file_bytes += stage.shard_bytes;
    types.insert(types.end(), stage.types.begin(), stage.types.end());
  }
  contender.summary.types = TypeSummary(types);
  ASSIGN_OR_RETURN(contender.tokenizer,
                   Tokenizer::Load(sources.model.empty() ? contender.plan->model_path : sources.model));
  return contender;
}

// Files of one name (in several folders) are told apart by their paths.
void MakeNamesUnique(std::vector<Contender>& contenders) {
  for (Contender& contender : contenders) {
    const auto same = [&](const Contender& other) {
      return fs::path(other.path).stem() == fs::path(contender.path).stem();
    };
    if (std::count_if(contenders.begin(), contenders.end(), same) > 1) contender.name = contender.path;
  }
}

}  // namespace

void AddEvalSources(CLI::App* command, EvalSources& sources) {
  command->add_option("--plan,-p", sources.plan, "Also measure this plan, on its running cluster");
  command->add_option("--cluster,-c", sources.cluster,
                      "A cluster file (TOML) with addresses of running nodes");
  AddSecurityOptions(command, sources.security);
  command->add_option("--shards,-s", sources.shards, "Folder of the plan's shards")->capture_default_str();
  command->add_option("--model", sources.model,
                      "GGUF file with the plan's tokenizer (default: where the plan says)");
  command->add_option("--threads,-t", sources.threads, "Threads of a GGUF file's run; 0: all cores")
      ->check(CLI::Range(0, 512))
      ->capture_default_str();
}

absl::StatusOr<std::vector<Contender>> FindContenders(const EvalSources& sources) {
  std::vector<Contender> contenders;
  for (const std::string& path : sources.models) {
    ASSIGN_OR_RETURN(Contender contender, FindFile(path));
    contenders.push_back(std::move(contender));
  }
  if (!sources.plan.empty()) {
    ASSIGN_OR_RETURN(Contender contender, FindPlan(sources));
    contenders.push_back(std::move(contender));
  }
  if (contenders.empty()) return InvalidArgument("nothing to measure: name GGUF files, or a --plan");
  MakeNamesUnique(contenders);
  return contenders;
}

absl::StatusOr<std::unique_ptr<LanguageModel>> OpenContender(const Contender& contender,
                                                             const EvalSources& sources,
                                                             const OpenOptions& options) {
  if (!contender.plan.has_value()) {
    GgufModelOptions gguf;
    gguf.context = options.context;
    gguf.queries = options.queries;
    gguf.threads = sources.threads;
    gguf.end_tokens = options.end_tokens;
    return LoadGgufModel(contender.path, gguf);
  }
  const Workload& workload = contender.plan->workload;
  if (workload.context < options.context) {
    return FailedPrecondition(
        "the plan has room for {} tokens of context and this takes {}: plan again with --context {}",
        workload.context, options.context, options.context);
  }
  CoordinatorOptions coordinator;
  coordinator.end_tokens = options.end_tokens;
  coordinator.all_logits = true;
  ASSIGN_OR_RETURN(auto opened, OpenPlan(*contender.plan, *contender.cluster, sources.shards, coordinator));
  return MakePlanModel(
      std::move(opened),
      {.context = workload.context, .n_vocab = contender.tokenizer->vocab_size(), .users = workload.users});
}

EvaluationProgress ShowProgress(ProgressLine& line, std::string unit) {
  const auto start = std::chrono::steady_clock::now();
  return [&line, start, unit = std::move(unit)](int64_t done, int64_t total) {
    const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double left = spent / static_cast<double>(done) * static_cast<double>(total - done);
    line.Update(static_cast<double>(done) / static_cast<double>(total),
                fmt::format("{} {} of {}, {} left", unit, done, total, FormatDuration(left)));
    return !Interrupted();
  };
}

void AddPart(CLI::App* command, std::string& part) {
  command
      ->add_option(
          "--part", part,
          "all, or one of two halves without a common article: calibration, test (an article's title "
          "decides)")
      ->capture_default_str();
}

absl::StatusOr<std::vector<Document>> ReadPart(const std::string& text, const std::string& part_name) {
  ASSIGN_OR_RETURN(const Part part, ParsePart(part_name));
  ASSIGN_OR_RETURN(std::vector<Document> documents, ReadDocuments(text));
  return SelectPart(std::move(documents), part);
}

Json ToJson(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"low", estimate.low}, {"high", estimate.high}};
}

Json ToJson(const Contender& contender) {
  Json json = {{"name", contender.name},
               {"path", contender.path},
               {"file_bytes", contender.summary.file_bytes},
               {"types", contender.summary.types}};
  if (!contender.plan.has_value()) json["bits_per_weight"] = contender.summary.bits_per_weight;
  return json;
}

std::string Interval(const Estimate& estimate, int digits) {
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", estimate.mean, digits, estimate.low, digits, estimate.high,
                     digits);
}

std::string Megabytes(int64_t bytes) { return fmt::format("{:.1f} M", static_cast<double>(bytes) / 1e6); }

}  // namespace dilemma::cli
