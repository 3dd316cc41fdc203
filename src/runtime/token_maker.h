// The last stage's end: samples tokens from logits, and knows when a request is over.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/sampler.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

struct TokenMakerOptions {
  int slots = 1;
  int64_t context = 512;
  int64_t n_vocab = 0;
  bool all_logits = false;  // the stage was opened such that every row's logits can be had
};

// What came of one batch.
struct MadeTokens {
  std::vector<v1::SampledToken> tokens;
  std::vector<v1::LogitsEvent> logits;
};

// One thread at a time. Batches were checked for shape before.
class TokenMaker {
 public:
  explicit TokenMaker(const TokenMakerOptions& options)
      : options_(options), slots_(static_cast<size_t>(options.slots)) {}

  void SetEndTokens(std::set<int32_t> end_tokens) { end_tokens_ = std::move(end_tokens); }

  // Takes note of the requests that begin or end with the batch; `want` gets 1 for every row whose logits are
  // wanted. kInvalidArgument for options that make no sense.
  absl::Status Prepare(const v1::Batch& batch, std::vector<int8_t>* want);

  // `logits`: those of the wanted rows.
  absl::StatusOr<MadeTokens> Make(const v1::Batch& batch, std::span<const int8_t> want,
                                  std::span<const float> logits);

 private:
  struct Slot {
    uint64_t request = 0;  // 0: free
    v1::RequestOptions options;
    std::unique_ptr<Sampler> sampler;
    int64_t made = 0;
  };
  absl::Status Begin(const v1::BatchRun& run);
  v1::SampledToken Sample(Slot* slot, const v1::BatchRun& run, std::span<const float> row);

  const TokenMakerOptions options_;
  std::set<int32_t> end_tokens_;
  std::vector<Slot> slots_;
};

}  // namespace dilemma
