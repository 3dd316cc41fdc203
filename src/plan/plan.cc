#include "plan/plan.h"

#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kVersion = 1;

Json StageToJson(const PlanStage& stage) {
  Json types = Json::array();
  for (const TypeMix& mix : stage.types) types.push_back(mix.ToString());
  return {{"server", stage.server},
          {"first_unit", stage.first_unit},
          {"last_unit", stage.last_unit},
          {"types", std::move(types)},
          {"weight_bytes", stage.weight_bytes},
          {"kv_bytes", stage.kv_bytes},
          {"buffer_bytes", stage.buffer_bytes},
          {"decode_s", stage.decode_s},
          {"prefill_s", stage.prefill_s},
          {"hop_decode_s", stage.hop_decode_s},
          {"hop_prefill_s", stage.hop_prefill_s},
          {"shard", stage.shard},
          {"shard_bytes", stage.shard_bytes}};
}

absl::StatusOr<PlanStage> StageFromJson(const JsonField& json) {
  PlanStage stage;
  ASSIGN_OR_RETURN(stage.server, json.String("server"));
  ASSIGN_OR_RETURN(const int64_t first, json.Integer("first_unit"));
  ASSIGN_OR_RETURN(const int64_t last, json.Integer("last_unit"));
  stage.first_unit = static_cast<int>(first);
  stage.last_unit = static_cast<int>(last);
  ASSIGN_OR_RETURN(const auto types, json.Items("types"));
  for (const JsonField& item : types) {
    ASSIGN_OR_RETURN(const std::string text, item.String());
    auto mix = TypeMix::Parse(text);
    if (!mix.ok()) return item.Error(Message(mix.status()));
    stage.types.push_back(*std::move(mix));
  }
  ASSIGN_OR_RETURN(stage.weight_bytes, json.Integer("weight_bytes"));
  ASSIGN_OR_RETURN(stage.kv_bytes, json.Integer("kv_bytes"));
  ASSIGN_OR_RETURN(stage.buffer_bytes, json.Integer("buffer_bytes"));
  ASSIGN_OR_RETURN(stage.decode_s, json.Number("decode_s"));
  ASSIGN_OR_RETURN(stage.prefill_s, json.Number("prefill_s"));
  ASSIGN_OR_RETURN(stage.hop_decode_s, json.Number("hop_decode_s"));
  ASSIGN_OR_RETURN(stage.hop_prefill_s, json.Number("hop_prefill_s"));
  ASSIGN_OR_RETURN(stage.shard, json.String("shard"));
  if (!stage.shard.empty() &&
      (stage.shard.size() != 64 || stage.shard.find_first_not_of("0123456789abcdef") != std::string::npos)) {
    return json.Error("'shard' is not a sha256");
  }
  ASSIGN_OR_RETURN(stage.shard_bytes, json.Integer("shard_bytes"));
  return stage;
}

Json WorkloadToJson(const Workload& work) {
  return {{"context", work.context},
          {"users", work.users},
          {"prompt_tokens", work.prompt_tokens},
          {"output_tokens", work.output_tokens},
          {"wire", std::string(Name(work.wire))}};
}

absl::StatusOr<Workload> WorkloadFromJson(const JsonField& json) {
  Workload work;
  ASSIGN_OR_RETURN(work.context, json.Integer("context"));
  ASSIGN_OR_RETURN(const int64_t users, json.Integer("users"));
  ASSIGN_OR_RETURN(work.prompt_tokens, json.Integer("prompt_tokens"));
  ASSIGN_OR_RETURN(work.output_tokens, json.Integer("output_tokens"));
  if (work.context < 1 || work.context > (1 << 24)) return json.Error("'context' must be 1 to 16777216");
  if (users < 1 || users > 4096) return json.Error("'users' must be 1 to 4096");
  if (work.prompt_tokens < 1 || work.output_tokens < 1) return json.Error("token counts must be at least 1");
  work.users = static_cast<int>(users);
  ASSIGN_OR_RETURN(const std::string wire, json.String("wire"));
  auto parsed = ParseWireType(wire);
  if (!parsed.ok()) return json.Error(Message(parsed.status()));
  work.wire = *parsed;
  return work;
}

}  // namespace

std::string_view Name(WireType wire) { return wire == WireType::kF32 ? "f32" : "f16"; }

absl::StatusOr<WireType> ParseWireType(std::string_view text) {
  if (text == "f32") return WireType::kF32;
  if (text == "f16") return WireType::kF16;
  return InvalidArgument("wire type '{}' is not f32 or f16", text);
}

int BytesPerValue(WireType wire) { return wire == WireType::kF32 ? 4 : 2; }

TypeMix Plan::TypeOf(int unit) const {
  for (const PlanStage& stage : stages) {
    if (unit >= stage.first_unit && unit <= stage.last_unit) {
      return stage.types[static_cast<size_t>(unit - stage.first_unit)];
    }
  }
  return {};
}

std::vector<TypeMix> Plan::Types() const {
  std::vector<TypeMix> types;
  types.reserve(static_cast<size_t>(units()));
  for (const PlanStage& stage : stages) types.insert(types.end(), stage.types.begin(), stage.types.end());
  return types;
}

int64_t Plan::weight_bytes() const {
  int64_t bytes = 0;
  for (const PlanStage& stage : stages) bytes += stage.weight_bytes;
  return bytes;
}

absl::Status CheckShape(const Plan& plan, std::string_view source) {
  if (plan.stages.empty()) return InvalidArgument("{}: the plan has no stages", source);
  int next = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const PlanStage& stage = plan.stages[i];
    if (stage.server.empty()) return InvalidArgument("{}: stages[{}] names no server", source, i);
    if (stage.first_unit != next || stage.last_unit < stage.first_unit) {
      return InvalidArgument("{}: stages[{}] has units {} to {}, but unit {} comes next", source, i,
                             stage.first_unit, stage.last_unit, next);
    }
    const auto count = static_cast<size_t>(stage.last_unit - stage.first_unit + 1);
    if (stage.types.size() != count) {
      return InvalidArgument("{}: stages[{}] has {} types for {} units", source, i, stage.types.size(),
                             count);
    }
    next = stage.last_unit + 1;
  }
  return absl::OkStatus();
}

Json PlanToJson(const Plan& plan) {
  Json stages = Json::array();
  for (const PlanStage& stage : plan.stages) stages.push_back(StageToJson(stage));
  Json json = {{"format", "dilemma-plan"},
               {"version", kVersion},
               {"model",
                {{"name", plan.model_name},
                 {"path", plan.model_path},
                 {"sha256", plan.model_sha256},
                 {"arch", plan.arch}}},
               {"cluster", plan.cluster},
               {"workload", WorkloadToJson(plan.workload)},
               {"stages", std::move(stages)},
               {"predicted",
                {{"decode_s", plan.predicted.decode_s},
                 {"prefill_s", plan.predicted.prefill_s},
                 {"request_s", plan.predicted.request_s},
                 {"ring_s", plan.predicted.ring_s}}},
               {"quality", {{"kind", plan.loss_kind}, {"loss", plan.loss}, {"budget", plan.loss_budget}}},
               {"solver",
                {{"method", plan.method},
                 {"status", plan.status},
                 {"bound_s", plan.bound_s},
                 {"gap", plan.gap},
                 {"seconds", plan.solve_s}}},
               {"binding", plan.binding}};
  if (plan.fp32_bytes > 0) {
    json["size"] = {{"weight_bytes", plan.weight_bytes()}, {"fp32_bytes", plan.fp32_bytes}};
  }
  if (plan.check.has_value()) json["quality"]["check"] = QualityCheckToJson(*plan.check);
  if (!plan.explanation.empty()) json["explanation"] = ExplanationToJson(plan.explanation);
  return json;
}

absl::StatusOr<Plan> PlanFromJson(const JsonField& json) {
  RETURN_IF_ERROR(json.CheckFormat("dilemma-plan", kVersion, "dilemma plan"));
  Plan plan;
  ASSIGN_OR_RETURN(const JsonField model, json.At("model"));
  ASSIGN_OR_RETURN(plan.model_name, model.String("name"));
  ASSIGN_OR_RETURN(plan.model_path, model.String("path"));
  ASSIGN_OR_RETURN(plan.model_sha256, model.String("sha256"));
  ASSIGN_OR_RETURN(plan.arch, model.String("arch"));
  ASSIGN_OR_RETURN(plan.cluster, json.String("cluster"));
  ASSIGN_OR_RETURN(const JsonField workload, json.At("workload"));
  ASSIGN_OR_RETURN(plan.workload, WorkloadFromJson(workload));
  ASSIGN_OR_RETURN(const auto stages, json.Items("stages"));
  for (const JsonField& item : stages) {
    ASSIGN_OR_RETURN(PlanStage stage, StageFromJson(item));
    plan.stages.push_back(std::move(stage));
  }
  ASSIGN_OR_RETURN(const JsonField predicted, json.At("predicted"));
  ASSIGN_OR_RETURN(plan.predicted.decode_s, predicted.Number("decode_s"));
  ASSIGN_OR_RETURN(plan.predicted.prefill_s, predicted.Number("prefill_s"));
  ASSIGN_OR_RETURN(plan.predicted.request_s, predicted.Number("request_s"));
  ASSIGN_OR_RETURN(plan.predicted.ring_s, predicted.Number("ring_s"));
  ASSIGN_OR_RETURN(const JsonField quality, json.At("quality"));
  ASSIGN_OR_RETURN(plan.loss_kind, quality.String("kind"));
  ASSIGN_OR_RETURN(plan.loss, quality.Number("loss"));
  ASSIGN_OR_RETURN(plan.loss_budget, quality.Number("budget"));
  if (!quality.Missing("check")) {
    ASSIGN_OR_RETURN(const JsonField check, quality.At("check"));
    ASSIGN_OR_RETURN(plan.check, QualityCheckFromJson(check));
  }
  if (!json.Missing("size")) {
    ASSIGN_OR_RETURN(const JsonField size, json.At("size"));
    ASSIGN_OR_RETURN(plan.fp32_bytes, size.Integer("fp32_bytes"));
    if (plan.fp32_bytes < 0) return size.Error("'fp32_bytes' is negative");
  }
  ASSIGN_OR_RETURN(const JsonField solver, json.At("solver"));
  ASSIGN_OR_RETURN(plan.method, solver.String("method"));
  ASSIGN_OR_RETURN(plan.status, solver.String("status"));
  ASSIGN_OR_RETURN(plan.bound_s, solver.Number("bound_s"));
  ASSIGN_OR_RETURN(plan.gap, solver.Number("gap"));
  ASSIGN_OR_RETURN(plan.solve_s, solver.Number("seconds"));
  ASSIGN_OR_RETURN(const auto binding, json.Items("binding"));
  for (const JsonField& item : binding) {
    ASSIGN_OR_RETURN(std::string sentence, item.String());
    plan.binding.push_back(std::move(sentence));
  }
  if (!json.Missing("explanation")) {
    ASSIGN_OR_RETURN(const JsonField explanation, json.At("explanation"));
    ASSIGN_OR_RETURN(plan.explanation, ExplanationFromJson(explanation));
  }
  RETURN_IF_ERROR(CheckShape(plan, json.where()));
  return plan;
}

absl::StatusOr<Plan> ReadPlan(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  return PlanFromJson(JsonField(json, path.string()));
}

}  // namespace dilemma
