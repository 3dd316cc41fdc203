// A budget on size: everything that is stored counts (scales, embedding, head, norms), against the model's
// weights in 32-bit floats, those of a tied matrix once.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quality/quality.h"

namespace dilemma {

int64_t Fp32Bytes(const ModelInfo& model);

struct SizedChoice {
  std::vector<int> choices;  // of each unit, into its menu
  double loss = 0;
  int64_t bytes = 0;
};

// The choice of types within `bytes` that loses least, wherever units are (greedy along each unit's lower
// convex edge: at most about one step of one unit above the least). kInvalidArgument, with the smallest size
// that there is, where the smallest types are too large.
absl::StatusOr<SizedChoice> LeastLossWithin(const QualityTable& quality, int64_t bytes);

}  // namespace dilemma
