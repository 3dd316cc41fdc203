// What loading a stage will take, found from the shard's header before anything is loaded.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"
#include "engine/stage.h"

namespace dilemma {

struct StageMemory {
  int64_t kv_bytes = 0;      // of the KV cache as it will be allocated
  int64_t output_bytes = 0;  // of the results of one pass
};

// Errors as of Stage::Load.
absl::StatusOr<StageMemory> MeasureStage(const std::filesystem::path& path, const StageOptions& options);

}  // namespace dilemma
