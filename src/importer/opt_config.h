// config.json of a Hugging Face OPT model, checked. Plain data.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"

namespace dilemma {

struct OptConfig {
  int64_t layers = 0, width = 0, heads = 0, feed_forward = 0, positions = 0, vocabulary = 0;
  int64_t embedding_width = 0;  // word_embed_proj_dim; projections join it to `width` where they differ
  bool norm_before = true;      // do_layer_norm_before: false is OPT-350m's order
  bool final_norm = true;       // a norm after the last layer
  int64_t bos = 2, eos = 2, pad = 1;
};

// Reads <folder>/config.json. kInvalidArgument naming file and field for other models (with how those are
// converted) and for variants of OPT that are not known.
absl::StatusOr<OptConfig> ReadOptConfig(const std::filesystem::path& folder);

}  // namespace dilemma
