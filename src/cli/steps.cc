#include "cli/steps.h"

#include <map>
#include <mutex>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/units.h"
#include "base/utf8.h"
#include "budget/size_budget.h"
#include "quantizer/importance.h"
#include "quantizer/weight_loss.h"
#include "runtime/plan_shards.h"

namespace dilemma::cli {
namespace {

namespace fs = std::filesystem;

// A file name for the quality of this model at these types.
fs::path QualityCache(const std::string& model_sha256, const std::vector<std::string>& types) {
  std::string key = model_sha256;
  for (const std::string& type : types) key += " " + type;
  return CacheDir() / "quality" / (Sha256(key).substr(0, 24) + ".json");
}

}  // namespace

void AddWorkloadOptions(CLI::App* command, Workload& workload) {
  command->add_option("--context", workload.context, "Tokens of KV cache per user")
      ->check(CLI::Range(int64_t{16}, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--users", workload.users, "Requests that may run at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--prompt-tokens", workload.prompt_tokens, "Prompt of a typical request")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--output-tokens", workload.output_tokens, "Answer of a typical request")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  const std::map<std::string, WireType> wires = {{"f32", WireType::kF32}, {"f16", WireType::kF16}};
  command
      ->add_option("--wire", workload.wire,
                   "Hidden states between servers: f32 (exact) or f16 (half the bytes)")
      ->transform(CLI::CheckedTransformer(wires, CLI::ignore_case));
}

absl::StatusOr<QualityTable> LoadOrComputeQuality(const std::string& path, const ModelInfo& model,
                                                  const std::string& model_sha256,
                                                  const std::vector<std::string>& types) {
  if (!path.empty()) {
    ASSIGN_OR_RETURN(QualityTable table, ReadQuality(path));
    if (table.units.size() != model.units.size()) {
      return InvalidArgument(
          "{}: has {} units, but model '{}' has {}; write it again with `dilemma sensitivity`", path,
          table.units.size(), model.name, model.units.size());
    }
    return table;
  }
  const fs::path cached = QualityCache(model_sha256, types);
  if (fs::exists(cached)) {
    auto table = ReadQuality(cached);
    if (table.ok() && table->units.size() == model.units.size()) return table;
  }
  std::vector<TypeMix> menu;
  for (const std::string& type : types) {
    ASSIGN_OR_RETURN(TypeMix mix, TypeMix::Parse(type));
    menu.push_back(std::move(mix));
  }
  ProgressLine line("weight difference of each layer at each type");
  ASSIGN_OR_RETURN(QualityTable table, WeightLoss(model, menu, [&](int done, int total) {
                     line.Update(static_cast<double>(done) / total,
                                 fmt::format("{} of {} units", done, total));
                     return !Interrupted();
                   }));
  std::error_code ignored;
  fs::create_directories(cached.parent_path(), ignored);
  (void)WriteJson(cached, QualityToJson(table));  // a cache: not being able to write it is no error
  return table;
}

absl::StatusOr<Plan> ToPlan(const PlannedModel& planned, const Problem& problem, const SolveResult& result) {
  PlanContext context;
  context.model_name = planned.model.name;
  context.model_path = planned.model.path;
  context.model_sha256 = planned.sha256;
  context.arch = planned.model.arch;
  context.cluster = planned.cluster.name;
  context.workload = planned.workload;
  context.loss_kind = planned.quality.kind;
  context.fp32_bytes = Fp32Bytes(planned.model);
  return MakePlan(problem, result, context);
}

SolveOptions MakeSolveOptions(double time_limit_s, double gap, ProgressLine& line) {
  SolveOptions options;
  options.time_limit_s = time_limit_s;
  options.gap = gap;
  options.stop = [] { return Interrupted(); };
  options.progress = [&line, time_limit_s](const SolveProgress& progress) {
    line.Update(
        progress.seconds / time_limit_s,
        progress.objective_s == kNever
            ? std::string("no plan yet")
            : fmt::format("best {}, gap {:.2f} %", FormatDuration(progress.objective_s), 100 * progress.gap));
  };
  return options;
}

absl::StatusOr<TensorBytes> WeightsAsMeasured(const ModelInfo& model, const std::string& quality_file) {
  if (quality_file.empty()) return TensorBytes();
  ASSIGN_OR_RETURN(Importance importance, ReadImportance(quality_file));
  return QuantizeByImportance(model, std::move(importance));
}

absl::Status WriteShards(const ModelInfo& model, Plan& plan, const fs::path& dir, const TensorBytes& bytes) {
  ProgressLine line("quantizing");
  const size_t stages = plan.stages.size();
  const auto progress = [&](double done, size_t stage) {
    line.Update(done / static_cast<double>(stages),
                fmt::format("shard {} of {} for {}", stage + 1, stages, plan.stages[stage].server));
    return !Interrupted();
  };
  return WritePlanShards(model, plan, dir, progress, bytes);
}

absl::StatusOr<Answer> Ask(Coordinator& coordinator, const Tokenizer& tokenizer, const PromptOptions& options,
                           const std::function<void(const std::string&)>& on_text) {
  std::string prompt = options.prompt;
  if (!options.raw) {
    auto templated = tokenizer.ApplyChatTemplate({{"user", options.prompt}});
    if (templated.ok()) prompt = *std::move(templated);
  }
  GenerateRequest request;
  request.prompt = tokenizer.Encode(prompt, !options.raw, true);
  request.max_tokens = options.max_tokens;
  request.sampling = options.sampling;
  std::string pending;
  Answer answer;
  answer.prompt_tokens = static_cast<int64_t>(request.prompt.size());
  ASSIGN_OR_RETURN(answer.result, coordinator.Generate(request, [&](int32_t token) {
    pending += tokenizer.Piece(token);
    const size_t whole = WholeCharacters(pending);
    if (whole > 0 && on_text) on_text(pending.substr(0, whole));
    pending.erase(0, whole);
    return !Interrupted();
  }));
  if (!pending.empty() && on_text) on_text(pending);
  answer.text = tokenizer.Decode(answer.result.tokens);
  answer.decode_s = Median(answer.result.token_s);
  return answer;
}

ShippingLine::ShippingLine(const Plan& plan) : line_("shipping shards") {
  for (const PlanStage& stage : plan.stages) total_ += stage.shard_bytes;
}

ShipReport ShippingLine::Report() {
  return [this](std::string_view server, int64_t done, int64_t all) {
    state_[std::string(server)] = {done, all};
    int64_t sum = 0;
    std::string detail;
    for (const auto& [name, bytes] : state_) {
      sum += bytes.first;
      detail += fmt::format("{}{} {}", detail.empty() ? "" : ", ", name, FormatBytes(bytes.first));
    }
    line_.Update(total_ > 0 ? static_cast<double>(sum) / static_cast<double>(total_) : 1, detail);
    return !Interrupted();
  };
}

absl::StatusOr<std::unique_ptr<Coordinator>> OpenPlan(const Plan& plan, const Cluster& cluster,
                                                      const fs::path& shards, CoordinatorOptions options) {
  ShippingLine line(plan);
  options.on_ship = line.Report();
  return Coordinator::Open(plan, cluster, shards, options);
}

absl::StatusOr<std::unique_ptr<Coordinator>> OpenPlan(const Plan& plan, const Cluster& cluster,
                                                      const fs::path& shards, const Tokenizer& tokenizer) {
  CoordinatorOptions options;
  options.end_tokens = tokenizer.EndOfGenerationTokens();
  return OpenPlan(plan, cluster, shards, options);
}

}  // namespace dilemma::cli
