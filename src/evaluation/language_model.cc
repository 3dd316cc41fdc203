#include "evaluation/language_model.h"

#include <algorithm>

#include "base/status.h"

namespace dilemma {

absl::Status CheckQueries(std::span<const int32_t> shared, std::span<const Query> queries, int64_t context) {
  for (const Query& query : queries) {
    if (query.prompt.empty()) return InvalidArgument("a query without a prompt");
    int64_t longest = query.max_tokens;
    for (const auto& candidate : query.candidates) {
      if (candidate.empty()) return InvalidArgument("a candidate without tokens");
      longest = std::max(longest, static_cast<int64_t>(candidate.size()));
    }
    const int64_t tokens = static_cast<int64_t>(shared.size() + query.prompt.size()) + longest;
    if (tokens > context) {
      return InvalidArgument("a text of {} tokens (prompt and answer) is longer than the {} that fit", tokens,
                             context);
    }
  }
  return absl::OkStatus();
}

}  // namespace dilemma
