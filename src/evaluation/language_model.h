// What evaluation needs of a model, whether it is one file in this process or a plan's shards on a cluster.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

// Receives the logits of rows first_row, first_row + 1, ... of a text: rows x n_vocab, row-major F32, in
// order and without gaps; valid during the call. An error ends the pass.
using LogitsSink = std::function<absl::Status(int64_t first_row, std::span<const float> logits)>;

// One way a text may go on.
struct Query {
  std::vector<int32_t> prompt;                   // after the text that is shared; at least one token
  std::vector<std::vector<int32_t>> candidates;  // continuations to score; at least one token each
  int64_t max_tokens = 0;                        // to generate, greedily; 0: none
};

struct Reply {
  std::vector<int32_t> generated;     // up to an end token, which is left out
  std::vector<double> candidate_nll;  // nats, sum over a candidate's tokens
};

// One thread at a time.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  virtual int64_t n_vocab() const = 0;
  virtual int64_t context() const = 0;  // longest text, in tokens

  // Logits after every token of a text (of at least one token).
  virtual absl::Status Logits(std::span<const int32_t> tokens, const LogitsSink& sink) = 0;

  // Answers queries that have their beginning in common (it may be empty). As many replies as queries. Which
  // tokens end a generation is fixed when the model is loaded.
  virtual absl::StatusOr<std::vector<Reply>> Ask(std::span<const int32_t> shared,
                                                 std::span<const Query> queries) = 0;
};

// kInvalidArgument where a query has no prompt, an empty candidate, or does not fit into `context` tokens.
absl::Status CheckQueries(std::span<const int32_t> shared, std::span<const Query> queries, int64_t context);

}  // namespace dilemma
