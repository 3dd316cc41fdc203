#include "distill/calibration.h"

#include <algorithm>
#include <thread>

#include "base/status.h"
#include "engine/stage.h"
#include "quantizer/shard_writer.h"

namespace dilemma {

absl::Status CheckWindows(const ModelInfo& model, std::span<const std::vector<int32_t>> windows) {
  if (windows.size() < 4) {
    return InvalidArgument("the calibration text gives {} windows; at least 4 are needed, so give more text",
                           windows.size());
  }
  for (const std::vector<int32_t>& window : windows) {
    if (window.size() < 2 || window.size() > 4096) {
      return InvalidArgument("a calibration window of {} tokens; 2 to 4096 are possible", window.size());
    }
    for (const int32_t token : window) {
      if (token < 0 || token >= model.n_vocab) {
        return InvalidArgument("the calibration text has token {}, and the model {}", token, model.n_vocab);
      }
    }
  }
  return absl::OkStatus();
}

int64_t LongestWindow(std::span<const std::vector<int32_t>> windows) {
  size_t longest = 1;
  for (const auto& window : windows) longest = std::max(longest, window.size());
  return static_cast<int64_t>(longest);
}

absl::StatusOr<HiddenStates> Embed(const std::filesystem::path& shard,
                                   std::span<const std::vector<int32_t>> windows, int threads) {
  const int64_t rows = LongestWindow(windows);
  ASSIGN_OR_RETURN(
      const auto stage,
      Stage::Load(shard, {.context = rows, .sequences = 1, .max_batch = rows, .threads = threads}));
  HiddenStates hidden;
  for (const std::vector<int32_t>& window : windows) {
    std::vector<RowPlace> places(window.size());
    for (size_t i = 0; i < window.size(); ++i) places[i].position = static_cast<int32_t>(i);
    RETURN_IF_ERROR(stage->Truncate(0, 0));
    ASSIGN_OR_RETURN(const auto output,
                     stage->Run({.rows = places, .tokens = window, .hidden = {}, .want_logits = {}}));
    hidden.emplace_back(output.begin(), output.end());
  }
  return hidden;
}

absl::StatusOr<Crew> Crew::Load(const std::filesystem::path& shard, int64_t rows, int threads) {
  Crew crew;
  for (int t = 0; t < threads; ++t) {
    ASSIGN_OR_RETURN(auto probe, LayerProbe::Load(shard, rows, /*threads=*/1));
    crew.probes_.push_back(std::move(probe));
  }
  return crew;
}

absl::Status Crew::SetTensor(const std::string& name, std::span<const float> values) {
  for (const auto& probe : probes_) RETURN_IF_ERROR(probe->SetTensor(name, values));
  return absl::OkStatus();
}

absl::Status ForEachWindow(size_t windows, int threads,
                           const std::function<absl::Status(int, size_t)>& body) {
  std::vector<absl::Status> statuses(static_cast<size_t>(threads));
  {
    std::vector<std::jthread> pool;
    for (int t = 0; t < threads; ++t) {
      pool.emplace_back([&, t] {
        absl::Status& status = statuses[static_cast<size_t>(t)];
        for (size_t w = static_cast<size_t>(t); w < windows && status.ok();
             w += static_cast<size_t>(threads)) {
          status = body(t, w);
        }
      });
    }
  }
  for (const absl::Status& status : statuses) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::Status InTurns(size_t windows, int threads, const std::function<absl::Status(int, size_t)>& body,
                     const std::function<void(int, size_t)>& take) {
  for (size_t first = 0; first < windows; first += static_cast<size_t>(threads)) {
    const size_t count = std::min(windows - first, static_cast<size_t>(threads));
    RETURN_IF_ERROR(
        ForEachWindow(count, threads, [&](int thread, size_t i) { return body(thread, first + i); }));
    for (size_t i = 0; i < count; ++i) take(static_cast<int>(i), first + i);
  }
  return absl::OkStatus();
}

absl::StatusOr<Crew> LoadTeacherUnit(const ModelInfo& model, int unit, int64_t rows, int threads,
                                     const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f32"));
  RETURN_IF_ERROR(WriteShard(model, unit, unit, {&wide, 1}, path).status());
  return Crew::Load(path, rows, threads);
}

absl::Status MoveOn(Crew& unit, HiddenStates& hidden) {
  return ForEachWindow(hidden.size(), unit.threads(), [&](int thread, size_t w) -> absl::Status {
    ASSIGN_OR_RETURN(const auto output, unit.probe(thread).Output(hidden[w]));
    hidden[w].assign(output.begin(), output.end());
    return absl::OkStatus();
  });
}

}  // namespace dilemma
