// What transformers computes for an OPT model, and the same by stages of ours. For tests and benchmarks.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/stage.h"

namespace dilemma::testing {

// reference.json of tests/fixtures/opt_make.py.
struct OptReference {
  std::vector<int32_t> prompt, tokens;     // tokens: greedy, after the prompt
  std::vector<std::vector<float>> logits;  // of every position of the prompt, then of every token
};
absl::StatusOr<OptReference> ReadOptReference(const std::filesystem::path& path);

using StageChain = std::vector<std::unique_ptr<Stage>>;

// Stages of the units between the cuts ({0, 3, 7}: units 0 to 2 and 3 to 6), all at `mix`; shards go to
// `folder`.
absl::StatusOr<StageChain> CutModel(const std::filesystem::path& model, const std::vector<int>& cuts,
                                    const std::string& mix, const std::filesystem::path& folder,
                                    const StageOptions& options);
absl::StatusOr<StageChain> WholeModel(const std::filesystem::path& model, const StageOptions& options);

// The reference's prompt in one batch, then its tokens one by one: logits of all positions.
absl::StatusOr<std::vector<std::vector<float>>> Follow(const StageChain& chain,
                                                       const OptReference& reference);

struct Difference {
  double largest = 0,
         spread = 0;     // of logits: largest absolute difference; highest minus lowest in the reference
  int other_tokens = 0;  // greedy tokens that are not the reference's
};
absl::StatusOr<Difference> Compare(const std::vector<std::vector<float>>& logits,
                                   const OptReference& reference);

}  // namespace dilemma::testing
