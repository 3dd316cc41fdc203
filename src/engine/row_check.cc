#include "engine/row_check.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "engine/stage.h"
#include "ggml-cpu.h"
#include "ggml.h"

namespace dilemma {
namespace {

constexpr size_t kArenaBytes = size_t{1} << 20;  // matrices, results and ggml's notes of one product
constexpr int64_t kMostRows = 67;
// Of a batch: where ggml goes over to another kernel, and what kernels cut into tiles of up to 16 rows, with
// and without a rest.
constexpr int64_t kRows[] = {2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 31, 32, 33, 48, 64, kMostRows};

struct FreeArena {
  void operator()(ggml_context* context) const { ggml_free(context); }
};

// A matrix as ggml holds it, and how many batches of rows it is multiplied with at once: heads that share a
// key.
struct Factor {
  ggml_type type = GGML_TYPE_F32;
  int64_t columns = 0, rows = 0, inputs = 1;
  std::string bytes;
};

std::vector<float> Numbers(int64_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(static_cast<size_t>(count));
  std::generate(numbers.begin(), numbers.end(), [&] { return normal(random); });
  return numbers;
}

Factor MakeFactor(ggml_type type, int64_t columns, int64_t rows, int64_t inputs = 1) {
  Factor factor = {type, columns, rows, inputs, {}};
  const std::vector<float> weights = Numbers(columns * rows);
  const std::vector<float> importance(static_cast<size_t>(columns), 1.0F);  // some types insist on one
  factor.bytes.resize(ggml_row_size(type, columns) * static_cast<size_t>(rows));
  ggml_quantize_chunk(type, weights.data(), factor.bytes.data(), 0, rows, columns, importance.data());
  return factor;
}

// The product with rows [first, first + count) of `values` (inputs x kMostRows x columns): inputs x count x
// factor.rows.
std::vector<float> Multiply(const Factor& factor, const std::vector<float>& values, int64_t first,
                            int64_t count) {
  const std::unique_ptr<ggml_context, FreeArena> arena(ggml_init({kArenaBytes, nullptr, false}));
  if (arena == nullptr) return {};
  ggml_tensor* matrix = ggml_new_tensor_2d(arena.get(), factor.type, factor.columns, factor.rows);
  ggml_tensor* input = ggml_new_tensor_3d(arena.get(), GGML_TYPE_F32, factor.columns, count, factor.inputs);
  std::memcpy(matrix->data, factor.bytes.data(), factor.bytes.size());
  const auto part = static_cast<size_t>(count * factor.columns);
  for (int64_t i = 0; i < factor.inputs; ++i) {
    std::memcpy(static_cast<float*>(input->data) + static_cast<size_t>(i) * part,
                values.data() + (i * kMostRows + first) * factor.columns, part * sizeof(float));
  }
  ggml_tensor* product = ggml_mul_mat(arena.get(), matrix, input);
  ggml_cgraph* graph = ggml_new_graph_custom(arena.get(), 8, false);
  ggml_build_forward_expand(graph, product);
  if (ggml_graph_compute_with_ctx(arena.get(), graph, 1) != GGML_STATUS_SUCCESS) return {};
  const auto* result = static_cast<const float*>(product->data);
  return {result, result + ggml_nelements(product)};
}

bool ComeOutAsAlone(const Factor& factor, const std::vector<float>& values, int64_t count,
                    const std::vector<std::vector<float>>& alone) {
  const auto width = static_cast<size_t>(factor.rows);
  const std::vector<float> together = Multiply(factor, values, 0, count);
  if (together.empty()) return false;
  for (size_t i = 0; i < static_cast<size_t>(factor.inputs * count); ++i) {
    const std::vector<float>& one = alone[i % static_cast<size_t>(count)];
    const size_t input = i / static_cast<size_t>(count);
    if (one.empty() || std::memcmp(&together[i * width], &one[input * width], width * sizeof(float)) != 0)
      return false;
  }
  return true;
}

int64_t RowsAlike(const Factor& factor) {
  const std::vector<float> values = Numbers(factor.inputs * kMostRows * factor.columns);
  std::vector<std::vector<float>> alone;
  for (int64_t row = 0; row < kMostRows; ++row) alone.push_back(Multiply(factor, values, row, 1));
  int64_t most = 1;
  for (const int64_t count : kRows) {
    if (!ComeOutAsAlone(factor, values, count, alone)) return most;
    most = count;
  }
  return kAnyRows;
}

int64_t RowsOfMatricesAlike(TensorType type) {
  static std::mutex mutex;
  static std::map<int, int64_t> known;
  if (!CanBeMade(type)) return 1;
  const std::lock_guard lock(mutex);
  if (const auto it = known.find(type.ggml); it != known.end()) return it->second;
  const int64_t columns = std::max<int64_t>(512, BlockSize(type));
  return known[type.ggml] = RowsAlike(MakeFactor(static_cast<ggml_type>(type.ggml), columns, 16));
}

// Keys with queries, values with weights; three queries to a key.
int64_t RowsOfAttentionAlike() {
  static const int64_t rows = std::min(RowsAlike(MakeFactor(GGML_TYPE_F16, 64, 256, 3)),
                                       RowsAlike(MakeFactor(GGML_TYPE_F16, 256, 64, 3)));
  return rows;
}

// Embeddings are looked up, not multiplied with, unless they are the head's matrix too.
bool IsMultiplied(const TensorInfo& tensor, bool tied) {
  if (tensor.rows() == 1 || tensor.name == "position_embd.weight") return false;
  return tied || tensor.name != "token_embd.weight";
}

}  // namespace

int64_t RowsThatComeOutAlike(const GgufFile& shard, const ShardShape& shape) {
  const bool tied = shape.has_head && shard.FindTensor("output.weight") == nullptr;
  int64_t rows = RowsOfAttentionAlike();
  for (const TensorInfo& tensor : shard.tensors()) {
    if (IsMultiplied(tensor, tied)) rows = std::min(rows, RowsOfMatricesAlike(tensor.type));
  }
  return rows;
}

}  // namespace dilemma
