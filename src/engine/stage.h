// A stage: a shard (or a whole model) loaded in libllama. The only room that includes llama.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

struct StageOptions {
  int64_t context = 512;    // tokens of KV cache per sequence
  int sequences = 1;        // slots of the KV cache
  int64_t max_batch = 512;  // largest number of rows in one Run
  int threads = 1;
  bool all_logits =
      false;  // a stage with the head: logits buffer for max_batch rows instead of one per sequence
};

inline constexpr int64_t kAnyRows = int64_t{1} << 30;

// One row of a batch: a token's place in its sequence.
struct RowPlace {
  int32_t position = 0;
  int32_t sequence = 0;  // slot, 0 <= sequence < StageOptions::sequences
};

// Input of one pass. A stage with the embedding takes `tokens`; any other takes `hidden` (rows x n_embd,
// row-major F32).
struct StageInput {
  std::span<const RowPlace> rows;
  std::span<const int32_t> tokens;
  std::span<const float> hidden;
  // For a stage with the head: which rows' logits are wanted (as many as rows; empty: the last row only).
  std::span<const int8_t> want_logits;
};

// Owned by the caller; one thread at a time may call Run, other stages run independently.
class Stage {
 public:
  // Loads and checks a shard; every error names the file. Never aborts on a bad file.
  static absl::StatusOr<std::unique_ptr<Stage>> Load(const std::filesystem::path& path,
                                                     const StageOptions& options);
  virtual ~Stage() = default;

  virtual bool has_embedding() const = 0;
  virtual bool has_head() const = 0;
  virtual int64_t n_embd() const = 0;
  virtual int64_t n_vocab() const = 0;
  virtual int64_t kv_bytes() const = 0;  // of the KV cache as allocated
  virtual int64_t weight_bytes() const = 0;
  // A row comes out as it would alone, bit by bit, in batches of up to so many rows. 1: in none; kAnyRows: in
  // all, as with most tensor types (third_party/patches/llama.cpp-*-rows.patch).
  virtual int64_t rows_alike() const = 0;

  // Runs one batch. Shapes, positions (consecutive in their sequence, below `context`), slots and token ids
  // are checked first: a bad one gives kInvalidArgument, never an abort. The result views memory of the
  // stage, valid until the next call: hidden states (rows x n_embd) of every row, or logits (wanted rows x
  // n_vocab) for a stage with the head.
  virtual absl::StatusOr<std::span<const float>> Run(const StageInput& input) = 0;

  // Forgets positions >= `from` of a sequence (0: all of it).
  virtual absl::Status Truncate(int32_t sequence, int32_t from) = 0;

  // Sequence `to` forgets what it holds and becomes a copy of `from`, so that texts with a common beginning
  // pay for it once. Costs one copy of a sequence's KV cache.
  virtual absl::Status Copy(int32_t from, int32_t to) = 0;
};

}  // namespace dilemma
