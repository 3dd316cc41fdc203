#include "report/measured.h"

#include "base/status.h"

namespace dilemma {
namespace {

absl::StatusOr<double> Milliseconds(const JsonField& field, std::string_view key) {
  ASSIGN_OR_RETURN(const double ms, field.Number(key));
  if (ms < 0) return field.Error(fmt::format("{} is {}, a time is never negative", key, ms));
  return ms / 1e3;
}

absl::StatusOr<MeasuredStage> StageFrom(const JsonField& field) {
  MeasuredStage stage;
  ASSIGN_OR_RETURN(stage.server, field.String("server"));
  ASSIGN_OR_RETURN(stage.decode_compute_s, Milliseconds(field, "decode_compute_ms"));
  ASSIGN_OR_RETURN(stage.decode_queue_s, Milliseconds(field, "decode_queue_ms"));
  ASSIGN_OR_RETURN(stage.decode_wire_s, Milliseconds(field, "decode_wire_ms"));
  ASSIGN_OR_RETURN(stage.prefill_compute_s, Milliseconds(field, "prefill_compute_ms"));
  return stage;
}

}  // namespace

absl::StatusOr<MeasuredRun> MeasuredFromJson(const Json& json, std::string_view source) {
  const JsonField root(json, std::string(source));
  if (!root.Has("measured")) {
    return InvalidArgument("{}: has no field 'measured'; it should be what `dilemma run --json` printed",
                           source);
  }
  MeasuredRun run;
  ASSIGN_OR_RETURN(const JsonField measured, root.At("measured"));
  ASSIGN_OR_RETURN(run.decode_s, Milliseconds(measured, "decode_ms"));
  ASSIGN_OR_RETURN(run.prefill_s, Milliseconds(measured, "prefill_ms"));
  ASSIGN_OR_RETURN(run.prompt_tokens, root.Integer("prompt_tokens"));
  ASSIGN_OR_RETURN(const std::vector<JsonField> tokens, root.Items("tokens"));
  run.output_tokens = static_cast<int64_t>(tokens.size());
  ASSIGN_OR_RETURN(const std::vector<JsonField> stages, root.Items("stages"));
  for (const JsonField& field : stages) {
    ASSIGN_OR_RETURN(MeasuredStage stage, StageFrom(field));
    run.stages.push_back(std::move(stage));
  }
  return run;
}

absl::StatusOr<MeasuredRun> ReadMeasured(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  return MeasuredFromJson(json, path.string());
}

}  // namespace dilemma
