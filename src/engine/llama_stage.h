// Loading of stages with llama.cpp's own parameters. Inside the engine only.
#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "llama.h"

namespace dilemma {

enum class StageDevices {
  kHere,         // one processor; the same arithmetic for every shard and batch
  kRemote,       // the KV cache where the layers are; arithmetic as here
  kRemoteFlash,  // the same with flash attention where llama.cpp likes it, which rounds otherwise
};

absl::StatusOr<std::unique_ptr<Stage>> LoadLlamaStage(const std::filesystem::path& path,
                                                      const StageOptions& options,
                                                      const llama_model_params& params, StageDevices devices);

}  // namespace dilemma
