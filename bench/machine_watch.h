// How fast this machine is right now, by what decides a token's time: the weights of a few layers come from
// memory and are multiplied. Virtual machines change in both, within seconds.
#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/statistics.h"
#include "base/status.h"
#include "engine/stage.h"
#include "quantizer/shard_writer.h"
#include "runtime/cache_sweep.h"

namespace dilemma {

// One thread at a time.
class MachineWatch {
 public:
  // Layers of the model's shapes at q4_0.
  static absl::StatusOr<MachineWatch> Start(const ModelInfo& model) {
    ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-bench"));
    ASSIGN_OR_RETURN(ProbeShape shape, MakeProbeShape(model));
    shape.layers = 6;
    shape.mix = "q4_0";
    RETURN_IF_ERROR(WriteProbeShard(shape, dir.path() / "watch.gguf").status());
    StageOptions options;
    options.context = 256;
    options.max_batch = 1;
    options.threads = 1;
    MachineWatch watch;
    ASSIGN_OR_RETURN(watch.stage_, Stage::Load(dir.path() / "watch.gguf", options));
    return watch;
  }

  // Seconds of a pass through the layers, out of cold caches as in a ring: the median of a few, in about
  // 0.1 s.
  absl::StatusOr<double> PassSeconds() {
    constexpr int kPasses = 5;
    const std::vector<float> hidden(static_cast<size_t>(stage_->n_embd()), 0.5F);
    const std::vector<RowPlace> rows = {{0, 0}};
    std::vector<double> seconds;
    for (int i = 0; i < kPasses; ++i) {
      others_.Touch(kOthersBytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      const Stopwatch stopwatch;
      RETURN_IF_ERROR(
          stage_->Run({.rows = rows, .tokens = {}, .hidden = hidden, .want_logits = {}}).status());
      seconds.push_back(stopwatch.Seconds());
      RETURN_IF_ERROR(stage_->Truncate(0, 0));
    }
    return Median(seconds);
  }

 private:
  static constexpr int64_t kOthersBytes = 64 << 20;
  MachineWatch() : others_(kOthersBytes) {}
  std::unique_ptr<Stage> stage_;
  CacheSweep others_;
};

}  // namespace dilemma
