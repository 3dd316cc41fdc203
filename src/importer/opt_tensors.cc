#include "importer/opt_tensors.h"

#include <set>

#include "base/status.h"

namespace dilemma {
namespace {

// OPT keeps the embedding of position p in row p + 2 (fairseq's offset for padding).
constexpr int64_t kPositionOffset = 2;
constexpr const char* kEmbedding = "decoder.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

class Planner {
 public:
  Planner(const OptConfig& config, const WeightFiles& weights) : config_(config), weights_(weights) {}

  absl::StatusOr<std::vector<TensorPlan>> Plan() {
    RETURN_IF_ERROR(Embedding());
    for (int64_t layer = 0; layer < config_.layers; ++layer) RETURN_IF_ERROR(Layer(layer));
    RETURN_IF_ERROR(Head());
    for (const auto& [name, tensor] : weights_.tensors()) {
      if (!used_.contains(name) && name != "decoder.version") {
        return InvalidArgument(
            "'{}': tensor '{}' {} has no place in the model that config.json describes ({} layers)",
            weights_.FileOf(name), tensor.name, ShapeText(tensor.shape), config_.layers);
      }
    }
    return std::move(plans_);
  }

 private:
  absl::Status Embedding() {
    RETURN_IF_ERROR(Matrix(kEmbedding, "token_embd", config_.vocabulary, config_.embedding_width,
                           "vocab_size", "word_embed_proj_dim"));
    RETURN_IF_ERROR(Matrix("decoder.embed_positions.weight", "position_embd", config_.positions,
                           config_.width, "max_position_embeddings + 2", "hidden_size", kPositionOffset));
    if (config_.embedding_width == config_.width) return absl::OkStatus();
    return Matrix("decoder.project_in.weight", "token_embd_proj", config_.width, config_.embedding_width,
                  "hidden_size", "word_embed_proj_dim");
  }

  absl::Status Layer(int64_t layer) {
    const std::string from = fmt::format("decoder.layers.{}.", layer), to = fmt::format("blk.{}.", layer);
    const int64_t width = config_.width, wide = config_.feed_forward;
    const bool before = config_.norm_before;
    RETURN_IF_ERROR(Norm(from + "self_attn_layer_norm", to + (before ? "attn_norm" : "attn_output_norm")));
    for (const auto& [source, name] : {std::pair{"q_proj", "attn_q"},
                                       {"k_proj", "attn_k"},
                                       {"v_proj", "attn_v"},
                                       {"out_proj", "attn_output"}}) {
      RETURN_IF_ERROR(
          Linear(from + "self_attn." + source, to + name, width, width, "hidden_size", "hidden_size"));
    }
    RETURN_IF_ERROR(Norm(from + "final_layer_norm", to + (before ? "ffn_norm" : "layer_output_norm")));
    RETURN_IF_ERROR(Linear(from + "fc1", to + "ffn_up", wide, width, "ffn_dim", "hidden_size"));
    return Linear(from + "fc2", to + "ffn_down", width, wide, "hidden_size", "ffn_dim");
  }

  absl::Status Head() {
    const bool projected = config_.embedding_width != config_.width;
    if (config_.final_norm) RETURN_IF_ERROR(Norm("decoder.final_layer_norm", "output_norm"));
    if (projected) {
      RETURN_IF_ERROR(Matrix("decoder.project_out.weight", "output_proj", config_.embedding_width,
                             config_.width, "word_embed_proj_dim", "hidden_size"));
    }
    ASSIGN_OR_RETURN(const bool tied, IsTied());
    used_.insert(kHead);
    // Without norm and projection only an output matrix tells libllama that the file has the head.
    if (tied && (config_.final_norm || projected)) return absl::OkStatus();
    return Matrix(tied ? kEmbedding : kHead, "output", config_.vocabulary, config_.embedding_width,
                  "vocab_size", "word_embed_proj_dim");
  }

  // Checkpoints often hold a copy of the embedding as lm_head.
  absl::StatusOr<bool> IsTied() const {
    const SourceTensor *head = weights_.Find(kHead), *embedding = weights_.Find(kEmbedding);
    if (head == nullptr) return true;
    if (head->shape != embedding->shape || head->type != embedding->type) return false;
    if (head->entry == embedding->entry && head->offset == embedding->offset && !head->entry.empty() &&
        weights_.FileOf(kHead) == weights_.FileOf(kEmbedding)) {
      return true;
    }
    ASSIGN_OR_RETURN(const std::string a, weights_.Read(kHead));
    ASSIGN_OR_RETURN(const std::string b, weights_.Read(kEmbedding));
    return a == b;
  }

  absl::Status Linear(const std::string& source, const std::string& name, int64_t rows, int64_t row,
                      std::string_view rows_field, std::string_view row_field) {
    RETURN_IF_ERROR(Matrix(source + ".weight", name, rows, row, rows_field, row_field));
    return Vector(source + ".bias", name + ".bias", rows, rows_field);
  }

  absl::Status Norm(const std::string& source, const std::string& name) {
    RETURN_IF_ERROR(Vector(source + ".weight", name + ".weight", config_.width, "hidden_size"));
    return Vector(source + ".bias", name + ".bias", config_.width, "hidden_size");
  }

  absl::Status Matrix(const std::string& source, const std::string& name, int64_t rows, int64_t row,
                      std::string_view rows_field, std::string_view row_field, int64_t skipped = 0) {
    RETURN_IF_ERROR(Check(source, {rows + skipped, row}, fmt::format("[{}, {}]", rows_field, row_field)));
    plans_.push_back({.source = source,
                      .name = name + ".weight",
                      .shape = {row, rows, 1, 1},
                      .skipped_rows = skipped,
                      .matrix = true});
    return absl::OkStatus();
  }

  absl::Status Vector(const std::string& source, const std::string& name, int64_t length,
                      std::string_view field) {
    RETURN_IF_ERROR(Check(source, {length}, fmt::format("[{}]", field)));
    plans_.push_back(
        {.source = source, .name = name, .shape = {length, 1, 1, 1}, .skipped_rows = 0, .matrix = false});
    return absl::OkStatus();
  }

  absl::Status Check(const std::string& source, const std::vector<int64_t>& shape, std::string_view fields) {
    const SourceTensor* tensor = weights_.Find(source);
    if (tensor == nullptr) {
      return InvalidArgument("{} has no tensor '{}', which config.json asks for as {} = {}",
                             weights_.description(), source, fields, ShapeText(shape));
    }
    if (tensor->shape != shape) {
      return InvalidArgument("'{}': tensor '{}' is {}, but config.json says {} = {}", weights_.FileOf(source),
                             tensor->name, ShapeText(tensor->shape), fields, ShapeText(shape));
    }
    used_.insert(source);
    return absl::OkStatus();
  }

  const OptConfig& config_;
  const WeightFiles& weights_;
  std::vector<TensorPlan> plans_;
  std::set<std::string> used_;
};

}  // namespace

absl::StatusOr<std::vector<TensorPlan>> PlanTensors(const OptConfig& config, const WeightFiles& weights) {
  return Planner(config, weights).Plan();
}

}  // namespace dilemma
