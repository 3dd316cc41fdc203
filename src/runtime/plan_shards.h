// A plan's shards on the coordinator's disk.
#pragma once

#include <filesystem>
#include <functional>

#include "absl/status/status.h"
#include "model/model.h"
#include "plan/plan.h"
#include "quantizer/shard_writer.h"

namespace dilemma {

// Stages done so far, with the one under way in part, and that one's index. Returning false cancels.
using ShardsProgress = std::function<bool(double stages_done, size_t stage)>;

// Writes the plan's shards to `dir` as <sha256>.gguf (those that are there already are kept) and fills the
// plan's hashes and sizes. `bytes` as in WriteShard. kCancelled leaves no half-written file.
absl::Status WritePlanShards(const ModelInfo& model, Plan& plan, const std::filesystem::path& dir,
                             const ShardsProgress& progress = nullptr, const TensorBytes& bytes = nullptr);

}  // namespace dilemma
