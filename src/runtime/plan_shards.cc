#include "runtime/plan_shards.h"

#include "base/file.h"
#include "base/status.h"
#include "runtime/shipping.h"

namespace dilemma {

namespace fs = std::filesystem;

absl::Status WritePlanShards(const ModelInfo& model, Plan& plan, const fs::path& dir,
                             const ShardsProgress& progress, const TensorBytes& bytes) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return FailedPrecondition("cannot create folder '{}': {}", dir.string(), error.message());
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    PlanStage& stage = plan.stages[i];
    if (!stage.shard.empty() && fs::exists(ShardPath(dir, stage))) continue;
    const fs::path part = PartName(dir / fmt::format("stage-{}", i));
    const auto report = [&](int done, int total) {
      return !progress || progress(static_cast<double>(i) + static_cast<double>(done) / total, i);
    };
    auto info = WriteShard(model, stage.first_unit, stage.last_unit, stage.types, part, report, bytes);
    if (!info.ok()) {
      fs::remove(part, error);
      return info.status();
    }
    stage.shard = info->sha256;
    stage.shard_bytes = info->bytes;
    RETURN_IF_ERROR(Publish(part, ShardPath(dir, stage)));
  }
  return absl::OkStatus();
}

}  // namespace dilemma
