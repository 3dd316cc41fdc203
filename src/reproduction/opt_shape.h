// OPT-350m's dimensions (Zhang et al., 2022) for a model that has its topology and is smaller: the stand-in
// of docs/opt.md. Planning needs sizes and operations only; losses are relative to each layer's weights and
// are taken from the stand-in.
#pragma once

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quality/quality.h"

namespace dilemma {

// An OPT model of 24 post-norm layers with projections around its embeddings, of other dimensions than
// OPT-350m's.
bool StandsInForOpt350m(const ModelInfo& model);

// The same units with OPT-350m's dimensions. It has no file: `path` is empty.
ModelInfo WithOpt350mDimensions(const ModelInfo& stand_in);

// The same losses with the sizes of `model`; kInvalidArgument where a unit does not admit a type.
absl::StatusOr<QualityTable> WithSizesOf(const ModelInfo& model, QualityTable quality);

}  // namespace dilemma
