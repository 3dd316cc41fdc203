#include "reproduction/opt_shape.h"

#include <algorithm>

#include "base/status.h"

namespace dilemma {
namespace {

constexpr int64_t kWidth = 1024, kFeedForward = 4096, kEmbedding = 512, kVocabulary = 50272,
                  kPositions = 2048, kHeads = 16, kLayers = 24;

// {row length, rows} of OPT-350m's matrix of that role.
std::pair<int64_t, int64_t> MatrixShape(std::string_view role) {
  if (role == "token_embd" || role == "output") return {kEmbedding, kVocabulary};
  if (role == "position_embd") return {kWidth, kPositions};
  if (role == "token_embd_proj") return {kEmbedding, kWidth};
  if (role == "output_proj") return {kWidth, kEmbedding};
  if (role == "ffn_up") return {kWidth, kFeedForward};
  if (role == "ffn_down") return {kFeedForward, kWidth};
  return {kWidth, kWidth};
}

void Resize(TensorInfo& tensor) {
  const std::string role = TensorRole(tensor.name);
  const auto [row, rows] = MatrixShape(role);
  if (tensor.shape[1] > 1) {
    tensor.shape = {row, rows, 1, 1};
  } else {  // biases and norms are as long as what they are added to
    tensor.shape = {role == "ffn_up" ? kFeedForward : kWidth, 1, 1, 1};
  }
  tensor.bytes = RowBytes(tensor.type, tensor.shape[0]) * tensor.rows();
  tensor.offset = 0;
}

bool Has(const Unit& unit, std::string_view role) {
  return std::any_of(unit.tensors.begin(), unit.tensors.end(),
                     [role](const TensorInfo& tensor) { return TensorRole(tensor.name) == role; });
}

}  // namespace

bool StandsInForOpt350m(const ModelInfo& model) {
  return model.arch == "opt" && model.n_layer == kLayers && model.n_embd != kWidth &&
         Has(model.units.front(), "token_embd_proj") && Has(model.units[1], "layer_output_norm");
}

ModelInfo WithOpt350mDimensions(const ModelInfo& stand_in) {
  ModelInfo model = stand_in;
  model.path.clear();
  model.n_embd = kWidth;
  model.n_ff = kFeedForward;
  model.n_head = model.n_head_kv = kHeads;
  model.head_dim_k = model.head_dim_v = kWidth / kHeads;
  model.n_vocab = kVocabulary;
  model.n_ctx_train = kPositions;
  model.file_bytes = 0;
  for (Unit& unit : model.units) {
    for (TensorInfo& tensor : unit.tensors) Resize(tensor);
    if (unit.kind == UnitKind::kLayer) unit.kv_bytes_per_token = 2 * kWidth * 2;  // K and V at F16
  }
  return model;
}

absl::StatusOr<QualityTable> WithSizesOf(const ModelInfo& model, QualityTable quality) {
  if (quality.units.size() != model.units.size())
    return InvalidArgument("the quality table has {} units, model '{}' has {}", quality.units.size(),
                           model.name, model.units.size());
  for (size_t u = 0; u < model.units.size(); ++u) {
    auto& choices = quality.units[u].choices;
    for (Choice& choice : choices) {
      ASSIGN_OR_RETURN(choice.bytes, UnitBytes(model.units[u], choice.mix));
    }
    std::stable_sort(choices.begin(), choices.end(),
                     [](const Choice& a, const Choice& b) { return a.bytes > b.bytes; });
  }
  return quality;
}

}  // namespace dilemma
