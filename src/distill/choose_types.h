// Which types to give a model's units so that its file stays below a size: the choice of bits by itself, for
// people who want one file and not a plan.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quality/quality.h"

namespace dilemma {

// The place of the unit's choice with the least loss plus price of its bytes.
size_t ChoiceAtPrice(const UnitQuality& unit, double price);

struct ChosenTypes {
  std::vector<TypeMix> types;  // one a unit
  int64_t file_bytes = 0;      // of a whole GGUF file with its tokenizer, as Distill writes it
  double loss = 0;             // sum of the table's losses
};

// The choices with the smallest sum of losses whose file has at most `max_file_bytes`: exact up to a grid of
// a 2^-16th of the limit (dynamic programme over units and bytes). Where the source ties embedding and head
// they stay tied, so their choices are made together. kInvalidArgument where the table is of another model;
// kFailedPrecondition, with the smallest size that is possible, where nothing fits.
absl::StatusOr<ChosenTypes> ChooseTypes(const ModelInfo& model, const QualityTable& table,
                                        int64_t max_file_bytes);

}  // namespace dilemma
