// Whether a row of a batch comes out as it would alone, bit by bit. Inside the engine only.
#pragma once

#include "engine/shard_check.h"
#include "model/gguf_file.h"

namespace dilemma {

// How many rows a batch may have for each of them to come out as it would alone; 1 where two are too many. A
// processor's products (ggml's kernels, and which of them is chosen for how many rows) add a row up in one
// order or another: it depends on the tensor types of the shard's matrices, and on attention over a KV cache
// in F16. What else a layer does goes row by row. Found out with small made-up matrices, in milliseconds,
// once for each type in a process. Thread-safe.
int64_t RowsThatComeOutAlike(const GgufFile& shard, const ShardShape& shape);

}  // namespace dilemma
