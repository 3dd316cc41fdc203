// Runs one batch on a stage: checks what came, forgets what the batch overwrites, and computes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "plan/plan.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

// One thread at a time.
class PassRunner {
 public:
  // `stage` is not owned and outlives the object. `index`: of the stage in its ring.
  PassRunner(Stage* stage, const StageOptions& options, WireType wire, int index)
      : stage_(stage),
        options_(options),
        wire_(wire),
        index_(index),
        lengths_(static_cast<size_t>(options.sequences), 0) {}

  // Shapes, sizes, slots and positions of a batch that came from elsewhere. kInvalidArgument says what is
  // wrong. Thread-safe.
  absl::Status Check(const v1::Batch& batch) const;

  // Hidden states of every row, or the wanted rows' logits; valid until the next call. `tokens` for a stage
  // with the embedding, else the batch's hidden states. A batch without rows gives nothing.
  absl::StatusOr<std::span<const float>> Run(const v1::Batch& batch, std::span<const int32_t> tokens,
                                             std::span<const int8_t> want);

 private:
  Stage* const stage_;
  const StageOptions options_;
  const WireType wire_;
  const int index_;
  std::vector<int64_t> lengths_;  // positions held in each slot
  std::vector<RowPlace> places_;
  std::vector<float> hidden_;
};

}  // namespace dilemma
