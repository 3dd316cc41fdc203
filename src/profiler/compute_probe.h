// Times one server: what MeasureProfile does for each.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "cluster/profile.h"
#include "profiler/profiler.h"
#include "quantizer/shard_writer.h"
#include "runtime/client.h"

namespace dilemma {

// `shape` is MakeProbeShape(model); `step` is called before each probe with what it measures, and cancels by
// returning false. `threads`: of a stage, 0: as the node was started.
absl::StatusOr<ServerProfile> MeasureServer(NodeClient& node, const ModelInfo& model, const ProbeShape& shape,
                                            const ProfileOptions& options, int threads,
                                            const std::function<bool(std::string_view what)>& step);

// How many probes MeasureServer makes, for progress.
int ProbeCount(const ModelInfo& model, const ProfileOptions& options);

}  // namespace dilemma
