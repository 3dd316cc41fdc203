// Importance of a matrix's inputs: the mean square of each, on some text. With it the scales of a block are
// chosen so that the errors that matter least are the largest: quantization's plain path, once
// `dilemma sensitivity` has seen text.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "quantizer/shard_writer.h"

namespace dilemma {

// By the tensor's name in the model; one value a column.
using Importance = std::map<std::string, std::vector<float>, std::less<>>;

// A quality file's "importance" (docs/formats.md). Values are kept to four digits.
Json ImportanceToJson(const Importance& importance);
// Of the document that has it, or of a quality file; empty where it has none. Errors name the place.
absl::StatusOr<Importance> ImportanceFromJson(const JsonField& document);
absl::StatusOr<Importance> ReadImportance(const std::filesystem::path& quality_file);

// Every block by itself: scales that minimise the squared error weighted by `importance` (one a column, > 0),
// then the nearest code. `values`, where given, gets what the bytes decode to. kInvalidArgument where the
// type does not admit the row length, which is the number of columns. On all cores, deterministic.
absl::StatusOr<std::string> RoundByImportance(std::span<const float> weights,
                                              std::span<const float> importance, TensorType type,
                                              std::span<float> values = {});

// The bytes of a model's tensors by importance; tensors without it as ggml makes them. Null, which means the
// latter for all, where `importance` is empty.
TensorBytes QuantizeByImportance(const ModelInfo& model, Importance importance);

}  // namespace dilemma
