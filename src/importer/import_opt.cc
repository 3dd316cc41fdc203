#include "importer/import_opt.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "ggml.h"
#include "importer/gpt2_tokenizer.h"
#include "importer/opt_tensors.h"
#include "importer/weight_files.h"
#include "model/gguf_output.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr float kLayerNormEpsilon = 1e-5F;  // PyTorch's, which OPT leaves as it is
constexpr float kMaxF16 = 65504;
constexpr uint32_t kFileTypeF32 = 0, kFileTypeF16 = 1, kFileTypeQ8 = 7;  // llama.cpp's general.file_type

TensorType TypeOf(const TensorPlan& plan, ImportType type) {
  if (!plan.matrix || type == ImportType::kF32) return {GGML_TYPE_F32};
  const bool blocks = type == ImportType::kQ8_0 && plan.shape[0] % ggml_blck_size(GGML_TYPE_Q8_0) == 0;
  return {blocks ? GGML_TYPE_Q8_0 : GGML_TYPE_F16};
}

ImportType ChooseType(const std::vector<TensorPlan>& plans, const WeightFiles& weights, ImportType wanted) {
  if (wanted != ImportType::kAuto) return wanted;
  const bool halves = std::all_of(plans.begin(), plans.end(), [&](const TensorPlan& plan) {
    return !plan.matrix || weights.Find(plan.source)->type == SourceType::kF16;
  });
  return halves ? ImportType::kF16 : ImportType::kF32;
}

void SetModelKeys(const OptConfig& config, const std::string& name, ImportType type, GgufOutput& output) {
  const auto integer = [&](const char* key, int64_t value) {
    output.SetInteger(key, static_cast<uint32_t>(value));
  };
  output.SetString("general.architecture", "opt");
  output.SetString("general.type", "model");
  output.SetString("general.name", name);
  integer("general.file_type", type == ImportType::kF16    ? kFileTypeF16
                               : type == ImportType::kQ8_0 ? kFileTypeQ8
                                                           : kFileTypeF32);
  integer("opt.context_length", config.positions);
  integer("opt.embedding_length", config.width);
  integer("opt.block_count", config.layers);
  integer("opt.feed_forward_length", config.feed_forward);
  integer("opt.attention.head_count", config.heads);
  output.SetFloat("opt.attention.layer_norm_epsilon", kLayerNormEpsilon);
  integer("opt.vocab_size", config.vocabulary);
}

void SetTokenizerKeys(const OptConfig& config, const Gpt2Tokenizer& tokenizer, GgufOutput& output) {
  const auto integer = [&](const char* key, int64_t value) {
    output.SetInteger(key, static_cast<uint32_t>(value));
  };
  std::vector<int32_t> kinds;
  for (TokenKind kind : tokenizer.kinds) kinds.push_back(static_cast<int32_t>(kind));
  output.SetString("tokenizer.ggml.model", "gpt2");
  output.SetString("tokenizer.ggml.pre", "gpt-2");
  output.SetStrings("tokenizer.ggml.tokens", tokenizer.tokens);
  output.SetIntegers("tokenizer.ggml.token_type", kinds);
  output.SetStrings("tokenizer.ggml.merges", tokenizer.merges);
  integer("tokenizer.ggml.bos_token_id", config.bos);
  integer("tokenizer.ggml.eos_token_id", config.eos);
  integer("tokenizer.ggml.padding_token_id", config.pad);
  output.SetBool("tokenizer.ggml.add_bos_token", tokenizer.add_bos);
  output.SetBool("tokenizer.ggml.add_space_prefix", false);
}

// The tensor's bytes as they stand in the GGUF file.
absl::StatusOr<std::string> Convert(const WeightFiles& weights, const TensorPlan& plan, TensorType type) {
  const SourceTensor& source = *weights.Find(plan.source);
  ASSIGN_OR_RETURN(const std::string bytes, weights.Read(plan.source));
  const auto skipped = static_cast<size_t>(plan.skipped_rows * plan.shape[0] * Bytes(source.type));
  const std::string_view kept = std::string_view(bytes).substr(skipped);
  const std::vector<float> values = ToFloats(kept, source.type);
  const bool halves = type.ggml != GGML_TYPE_F32;  // Q8_0's scales are F16
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return InvalidArgument("'{}': tensor '{}' has a weight that is not a finite number",
                             weights.FileOf(plan.source), source.name);
    }
    if (halves && std::fabs(value) > kMaxF16) {
      return InvalidArgument("'{}': tensor '{}' has the weight {}, too large for F16; import it as F32",
                             weights.FileOf(plan.source), source.name, value);
    }
  }
  if (!halves)
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  if (type.ggml == GGML_TYPE_Q8_0) {
    std::string converted(values.size() / 32 * ggml_type_size(GGML_TYPE_Q8_0), '\0');
    ggml_quantize_chunk(GGML_TYPE_Q8_0, values.data(), converted.data(), 0,
                        static_cast<int64_t>(values.size()) / plan.shape[0], plan.shape[0], nullptr);
    return converted;
  }
  if (source.type == SourceType::kF16) return std::string(kept);
  std::string converted(values.size() * sizeof(ggml_fp16_t), '\0');
  ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(converted.data()),
                        static_cast<int64_t>(values.size()));
  return converted;
}

absl::Status Write(const std::vector<TensorPlan>& plans, const WeightFiles& weights, ImportType type,
                   const fs::path& path, const ImportOptions& options, GgufOutput& output) {
  for (const TensorPlan& plan : plans) {
    TensorInfo tensor;
    tensor.shape = plan.shape;
    RETURN_IF_ERROR(output.Declare(tensor, plan.name, TypeOf(plan, type)));
  }
  RETURN_IF_ERROR(output.Start(path));
  const int total = static_cast<int>(plans.size());
  for (int i = 0; i < total; ++i) {
    if (options.progress && !options.progress(i, total)) return absl::CancelledError("cancelled");
    const TensorPlan& plan = plans[static_cast<size_t>(i)];
    ASSIGN_OR_RETURN(const std::string bytes, Convert(weights, plan, TypeOf(plan, type)));
    RETURN_IF_ERROR(output.Append(bytes));
  }
  RETURN_IF_ERROR(output.Finish());
  if (options.progress) options.progress(total, total);
  return absl::OkStatus();
}

}  // namespace

std::string ModelName(const fs::path& folder) {
  std::error_code error;
  fs::path whole = fs::weakly_canonical(folder, error);
  if (whole.filename().empty()) whole = whole.parent_path();
  return error || whole.filename().empty() ? "opt" : whole.filename().string();
}

absl::StatusOr<ImportResult> ImportOpt(const fs::path& folder, const fs::path& output_path,
                                       const ImportOptions& options) {
  ImportResult result;
  ASSIGN_OR_RETURN(result.config, ReadOptConfig(folder));
  ASSIGN_OR_RETURN(const Gpt2Tokenizer tokenizer, ReadGpt2Tokenizer(folder, result.config));
  ASSIGN_OR_RETURN(const auto weights, WeightFiles::Open(folder));
  ASSIGN_OR_RETURN(const std::vector<TensorPlan> plans, PlanTensors(result.config, *weights));
  result.weights = weights->description();
  result.type = ChooseType(plans, *weights, options.type);
  result.tied_head = plans.back().name != "output.weight";
  for (const TensorPlan& plan : plans) result.parameters += plan.shape[0] * plan.shape[1];
  GgufOutput output;
  SetModelKeys(result.config, options.name.empty() ? ModelName(folder) : options.name, result.type, output);
  SetTokenizerKeys(result.config, tokenizer, output);
  RETURN_IF_ERROR(Write(plans, *weights, result.type, output_path, options, output));
  result.bytes = static_cast<int64_t>(fs::file_size(output_path));
  return result;
}

}  // namespace dilemma
