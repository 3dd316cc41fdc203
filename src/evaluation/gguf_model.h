// A whole GGUF model in this process, for evaluation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/language_model.h"

namespace dilemma {

struct GgufModelOptions {
  int64_t context = 512;            // longest text, in tokens
  int queries = 1;                  // that are worked on at once; each takes a KV cache of `context` tokens
  int64_t batch = 128;              // tokens in one pass at most; logits of so many are held
  int threads = 0;                  // 0: all cores
  std::vector<int32_t> end_tokens;  // end a generation
};

// Errors name the file. The text that queries share is kept in the KV cache from one Ask to the next as far
// as it is the same.
absl::StatusOr<std::unique_ptr<LanguageModel>> LoadGgufModel(const std::filesystem::path& path,
                                                             const GgufModelOptions& options);

// What a file holds, as read from its header.
struct GgufSummary {
  int64_t file_bytes = 0;
  double bits_per_weight = 0;  // over all tensors
  std::string types;           // of its matrices, by descending bytes: "q4_0 x210, q8_0 x1"
};
absl::StatusOr<GgufSummary> SummarizeGguf(const std::filesystem::path& path);

}  // namespace dilemma
