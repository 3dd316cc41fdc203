#include "runtime/prober.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>

#include "base/status.h"
#include "base/units.h"
#include "engine/stage.h"
#include "engine/stage_memory.h"
#include "runtime/cache_sweep.h"
#include "runtime/machine.h"

namespace dilemma {
namespace {

constexpr int64_t kMaxRows = 4096, kMaxContext = 1 << 20, kFillRows = 512;
constexpr int kMaxLayers = 256, kMaxPasses = 1000, kMaxRepeats = 1000;

absl::Status Check(const ProbeRequest& request) {
  const ProbeShape& shape = request.shape;
  if (shape.layers < 0 || shape.layers > kMaxLayers ||
      (shape.layers == 0 && !shape.embedding && !shape.head)) {
    return InvalidArgument("a probe of {} layers: 1 to {} may be asked for", shape.layers, kMaxLayers);
  }
  if (request.passes.empty() || request.passes.size() > kMaxPasses) {
    return InvalidArgument("{} passes in a probe: 1 to {} may be asked for", request.passes.size(),
                           kMaxPasses);
  }
  for (const ProbePass& pass : request.passes) {
    if (pass.rows < 1 || pass.rows > kMaxRows || pass.context < 0 || pass.context > kMaxContext ||
        pass.repeats < 1 || pass.repeats > kMaxRepeats || !(pass.idle_s >= 0 && pass.idle_s <= 1) ||
        pass.sweep_bytes < 0 || pass.sweep_bytes > (int64_t{1} << 30)) {
      return InvalidArgument("probe pass out of range: {} rows after {} tokens, {} times", pass.rows,
                             pass.context, pass.repeats);
    }
  }
  if (request.threads < 0 || request.threads > 1024 || request.context < 0 || request.context > kMaxContext) {
    return InvalidArgument("probe out of range: {} threads, context {}", request.threads, request.context);
  }
  return absl::OkStatus();
}

// Feeds made-up rows to a stage: tokens, or hidden states of plausible size.
class Feeder {
 public:
  explicit Feeder(Stage* stage) : stage_(stage) {}

  absl::Status Run(int64_t position, int64_t count) {
    rows_.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      rows_[static_cast<size_t>(i)] = {static_cast<int32_t>(position + i), 0};
    }
    StageInput input;
    input.rows = rows_;
    if (stage_->has_embedding()) {
      tokens_.resize(rows_.size());
      for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>(i * 7919 % Vocabulary());
      input.tokens = tokens_;
    } else {
      hidden_.resize(rows_.size() * static_cast<size_t>(stage_->n_embd()));
      uint32_t state = 12345;
      for (float& value : hidden_) {
        state = state * 1664525 + 1013904223;
        value = static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
      }
      input.hidden = hidden_;
    }
    return stage_->Run(input).status();
  }

  // As many tokens of context as asked, in chunks.
  absl::Status Fill(int64_t context, int64_t chunk) {
    RETURN_IF_ERROR(stage_->Truncate(0, 0));
    for (int64_t at = 0; at < context; at += chunk) RETURN_IF_ERROR(Run(at, std::min(chunk, context - at)));
    return absl::OkStatus();
  }

 private:
  size_t Vocabulary() const { return static_cast<size_t>(std::max<int64_t>(1, stage_->n_vocab())); }

  Stage* const stage_;
  std::vector<RowPlace> rows_;
  std::vector<int32_t> tokens_;
  std::vector<float> hidden_;
};

absl::StatusOr<std::vector<double>> TimePass(Stage& stage, Feeder& feeder, CacheSweep& sweep,
                                             const ProbePass& pass, int64_t chunk,
                                             const ProbeLimits& limits) {
  RETURN_IF_ERROR(feeder.Fill(pass.context, chunk));
  std::vector<double> seconds;
  for (int i = -1; i < pass.repeats; ++i) {  // the first one warms up
    if (limits.stop && limits.stop()) return absl::CancelledError("the caller is gone");
    if (pass.rows > 1) {  // a prompt comes after decoding: libllama plans the pass anew
      RETURN_IF_ERROR(feeder.Run(pass.context, 1));
      RETURN_IF_ERROR(stage.Truncate(0, static_cast<int32_t>(pass.context)));
    }
    sweep.Touch(pass.sweep_bytes);
    if (pass.idle_s > 0) std::this_thread::sleep_for(std::chrono::duration<double>(pass.idle_s));
    const int64_t start = MonotonicNanos();
    RETURN_IF_ERROR(feeder.Run(pass.context, pass.rows));
    const int64_t end = StretchSince(start, limits.slowdown);
    if (i >= 0) seconds.push_back(static_cast<double>(end - start) * 1e-9);
    RETURN_IF_ERROR(stage.Truncate(0, static_cast<int32_t>(pass.context)));
  }
  return seconds;
}

absl::StatusOr<std::vector<std::vector<double>>> TimePasses(Stage& stage,
                                                            const std::vector<ProbePass>& passes,
                                                            int64_t chunk, const ProbeLimits& limits) {
  int64_t sweep_bytes = 0;
  for (const ProbePass& pass : passes) sweep_bytes = std::max(sweep_bytes, pass.sweep_bytes);
  CacheSweep sweep(sweep_bytes);
  Feeder feeder(&stage);
  std::vector<std::vector<double>> all;
  for (const ProbePass& pass : passes) {
    ASSIGN_OR_RETURN(auto seconds, TimePass(stage, feeder, sweep, pass, chunk, limits));
    all.push_back(std::move(seconds));
  }
  return all;
}

absl::StatusOr<ProbeResult> TimeShard(const ProbeRequest& request, const ProbeLimits& limits,
                                      int64_t shard_bytes) {
  const int64_t rss_before = ResidentBytes();
  StageOptions options;
  options.threads = request.threads > 0 ? request.threads : limits.threads;
  options.context = request.context;
  options.max_batch = 1;
  for (const ProbePass& pass : request.passes) {
    options.context = std::max(options.context, pass.context + pass.rows);
    options.max_batch = std::max({options.max_batch, pass.rows, std::min(pass.context, kFillRows)});
  }
  ASSIGN_OR_RETURN(const StageMemory needs, MeasureStage(limits.scratch, options));
  const int64_t bytes = shard_bytes + needs.kv_bytes + needs.output_bytes;
  if (bytes > limits.memory_bytes) {
    return absl::ResourceExhaustedError(
        fmt::format("the probe's shard takes {}, more than the {} that are free on the node",
                    FormatBytes(bytes), FormatBytes(limits.memory_bytes)));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, Stage::Load(limits.scratch, options));
  ProbeResult result;
  result.weight_bytes = stage->weight_bytes();
  result.kv_bytes = stage->kv_bytes();
  const int64_t chunk = std::min(options.max_batch, kFillRows);
  ASSIGN_OR_RETURN(result.seconds, TimePasses(*stage, request.passes, chunk, limits));
  ReleaseFreeMemory();
  result.rss_bytes = std::max<int64_t>(0, ResidentBytes() - rss_before);
  return result;
}

}  // namespace

absl::StatusOr<ProbeResult> RunProbe(const ProbeRequest& request, const ProbeLimits& limits) {
  RETURN_IF_ERROR(Check(request));
  const auto shard = WriteProbeShard(request.shape, limits.scratch, limits.memory_bytes);
  ReleaseFreeMemory();
  auto result =
      shard.ok() ? TimeShard(request, limits, shard->bytes) : absl::StatusOr<ProbeResult>(shard.status());
  std::error_code ignored;
  std::filesystem::remove(limits.scratch, ignored);
  ReleaseFreeMemory();
  return result;
}

}  // namespace dilemma
