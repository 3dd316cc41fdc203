// The paper's loss (DILEMMA, arXiv 2503.01704): how far a layer's quantized weights are from the teacher's,
// normalised. It needs no text, adds over units, and says little about what a unit matters for the output.
#pragma once

#include <functional>
#include <span>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quality/quality.h"

namespace dilemma {

// Called with units done and all; returning false cancels (kCancelled).
using LossProgress = std::function<bool(int done, int total)>;

// Loss of a unit at a mix: sum over its quantizable tensors of |W - Q(W)|^2, divided by the sum of |W|^2
// (Frobenius norms; Q: ggml's quantization without an importance matrix). From evenly spaced rows where a
// tensor has more than kSampledWeights weights: the ratio is an average over many rows, and the sample is the
// same every time. `menu`: the mixes to try; empty: every type of UnitMenu(unit) but those on whose grid the
// source lies (OnSourceGrid). Mixes that a unit's rows do not admit are left out of its menu; a unit without
// any is an error. Uses all cores.
absl::StatusOr<QualityTable> WeightLoss(const ModelInfo& model, std::span<const TypeMix> menu,
                                        const LossProgress& progress = nullptr);

inline constexpr int64_t kSampledWeights = 1 << 18;

// Quantized types that the unit's tensors have in the source file. Quantizing to one of them changes nothing,
// which says nothing about the type: a comparison of types leaves them out.
std::vector<TensorType> OnSourceGrid(const ModelInfo& model);

}  // namespace dilemma
