// Checks a shard's header before libllama sees it: some of what would make libllama abort is an error here.
// Inside the engine only.
#pragma once

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "model/gguf_file.h"

namespace dilemma {

struct ShardShape {
  int64_t n_layer = 0, n_embd = 0, n_vocab = 0;
  int64_t kv_bytes_per_token = 0;  // all layers, F16
  bool has_embedding = false, has_head = false;
};

absl::StatusOr<ShardShape> CheckShard(const GgufFile& file, const StageOptions& options);

}  // namespace dilemma
