// What a model is made of: units in execution order (embedding, layers, head) and their tensors. Plain data,
// read from a GGUF file by gguf_reader.h; no weights are held.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tensor_type.h"

namespace dilemma {

struct TensorInfo {
  std::string name;                             // in the source file: "blk.3.ffn_down.weight"
  std::array<int64_t, 4> shape = {1, 1, 1, 1};  // ggml order: shape[0] is the row length
  TensorType type;                              // in the source file
  int64_t offset = 0;                           // of the data, from the start of the source file, in bytes
  int64_t bytes = 0;
  bool quantizable = false;  // a matrix ("*.weight", 2-D, more than one row) that may change its type
  int64_t elements() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
  int64_t rows() const { return shape[1] * shape[2] * shape[3]; }
};

enum class UnitKind { kEmbedding, kLayer, kHead };
std::string_view Name(UnitKind kind);

// The types of one unit's quantizable tensors: one default and exceptions by tensor role ("ffn_down",
// "attn_v", "token_embd", "output"). Written "q4_0" or "q4_0+ffn_down=q5_0+attn_v=q8_0"; exceptions in
// alphabetic order, so equal mixes have equal texts.
struct TypeMix {
  TensorType base;
  std::map<std::string, TensorType> exceptions;

  TensorType For(std::string_view role) const;
  std::string ToString() const;
  static absl::StatusOr<TypeMix> Parse(std::string_view text);
  friend bool operator==(const TypeMix&, const TypeMix&) = default;
};

// "blk.3.ffn_down.weight" -> "ffn_down"; "output.weight" -> "output".
std::string TensorRole(std::string_view tensor_name);

struct Unit {
  UnitKind kind = UnitKind::kLayer;
  int layer = -1;  // index of the layer in the model; -1 for embedding and head
  // The tensors of the unit. Where the source ties embedding and head, the head has its own entry
  // "output.weight" that points at the embedding's data: units are self-contained, so that they can have
  // different types and servers.
  std::vector<TensorInfo> tensors;
  int64_t kv_bytes_per_token = 0;  // K and V of one token at F16; 0 for embedding and head

  std::string Label() const;  // "embedding", "layer 3", "head"
};

struct ModelInfo {
  std::string path;  // the source file
  std::string name;  // general.name, or the file's stem
  std::string arch;  // general.architecture
  int64_t n_layer = 0, n_embd = 0, n_ff = 0, n_head = 0, n_head_kv = 0, n_vocab = 0, n_ctx_train = 0;
  int64_t head_dim_k = 0, head_dim_v = 0;
  bool tied_head = false;  // the source has no output matrix: the head uses token_embd
  int64_t file_bytes = 0;
  std::vector<Unit> units;  // n_layer + 2: embedding, layers, head
  // Small tensors that every shard with layers needs, as they are (rope_freqs.weight).
  std::vector<TensorInfo> shared_by_layers;

  int64_t parameters() const;  // tied weights counted once
};

// Bytes of the unit's tensors when its quantizable ones get the types of `mix`; an error where a row length
// does not admit a type. Other tensors (norms, biases) keep their type.
absl::StatusOr<int64_t> UnitBytes(const Unit& unit, const TypeMix& mix);
// Bits per quantizable weight of the unit under `mix`, scales included.
double UnitBitsPerWeight(const Unit& unit, const TypeMix& mix);
// Types that every quantizable tensor of the unit admits, by descending bits.
std::vector<TensorType> UnitMenu(const Unit& unit);
// Multiply-adds times 2 for one token with `context` tokens before it.
double UnitFlopsPerToken(const ModelInfo& model, const Unit& unit, int64_t context);

// Architectures whose shards are tested to equal the whole model.
bool CanBeCut(std::string_view arch);
std::string SupportedArchitectures();  // "llama, qwen2, qwen3, opt"

}  // namespace dilemma
