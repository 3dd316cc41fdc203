// The calibration text on its way through a model: one hidden state a token, moved on unit by unit. Inside
// the room only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/layer_probe.h"
#include "model/model.h"

namespace dilemma {

using HiddenStates = std::vector<std::vector<float>>;  // one a window, rows x n_embd

absl::Status CheckWindows(const ModelInfo& model, std::span<const std::vector<int32_t>> windows);
int64_t LongestWindow(std::span<const std::vector<int32_t>> windows);

// Output of the embedding unit. `shard` holds it alone.
absl::StatusOr<HiddenStates> Embed(const std::filesystem::path& shard,
                                   std::span<const std::vector<int32_t>> windows, int threads);

// One unit loaded once for each core: every window is run by one thread, and windows beside each other, which
// wastes no time on threads that wait for one another.
class Crew {
 public:
  static absl::StatusOr<Crew> Load(const std::filesystem::path& shard, int64_t rows, int threads);

  const std::vector<LinearGroup>& groups() const { return probes_.front()->groups(); }
  int threads() const { return static_cast<int>(probes_.size()); }
  LayerProbe& probe(int thread) { return *probes_[static_cast<size_t>(thread)]; }
  absl::Status SetTensor(const std::string& name, std::span<const float> values);

 private:
  std::vector<std::unique_ptr<LayerProbe>> probes_;
};

// Calls body(thread, window) for all windows: window w on thread w % threads, in order. The first error ends
// all.
absl::Status ForEachWindow(size_t windows, int threads, const std::function<absl::Status(int, size_t)>& body);

// As above, for as many windows at once as there are threads; when these are through, take(thread, window) is
// called for each of them in order of windows, one after the other. What `take` adds up does not depend on
// `threads`, and is held once.
absl::Status InTurns(size_t windows, int threads, const std::function<absl::Status(int, size_t)>& body,
                     const std::function<void(int, size_t)>& take);

// A unit of the teacher, widened to F32, written to `path` and loaded.
absl::StatusOr<Crew> LoadTeacherUnit(const ModelInfo& model, int unit, int64_t rows, int threads,
                                     const std::filesystem::path& path);

// hidden = the unit's output, window by window.
absl::Status MoveOn(Crew& unit, HiddenStates& hidden);

}  // namespace dilemma
