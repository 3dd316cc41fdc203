#include "cli/chaos_spans.h"

#include <algorithm>
#include <string_view>

#include "fmt/format.h"

namespace dilemma::cli {
namespace {

std::string_view Name(FinishReason finish) { return finish == FinishReason::kEnd ? "an end" : "the limit"; }

}  // namespace

std::vector<PlanSpan> SpansOf(const GenerateResult& result) {
  std::vector<PlanSpan> spans;
  for (const GeneratedPart& part : result.parts) {
    const auto first = static_cast<size_t>(part.first_token);
    if (!spans.empty() && spans.back().plan == part.plan) continue;
    if (!spans.empty()) spans.back().end = first;
    spans.push_back({part.plan, first, 0, false});
  }
  if (!spans.empty()) {
    spans.back().end = result.tokens.size();
    spans.back().last = true;
  }
  return spans;
}

std::string Difference(const GenerateResult& got, const PlanSpan& span, const GenerateResult& right) {
  const auto begin = got.tokens.begin() + static_cast<std::ptrdiff_t>(span.begin);
  const size_t count = span.end - span.begin, common = std::min(count, right.tokens.size());
  const auto differ =
      std::mismatch(right.tokens.begin(), right.tokens.begin() + static_cast<std::ptrdiff_t>(common), begin)
          .first;
  const auto at = static_cast<size_t>(differ - right.tokens.begin());
  if (at < common)
    return fmt::format("token {} of {} differs from an undisturbed run", span.begin + at, got.tokens.size());
  if (span.last ? right.tokens.size() == count && right.finish == got.finish : right.tokens.size() >= count)
    return std::string();
  return fmt::format("{} tokens of plan {}, then {}, where an undisturbed run gives {}, then {}", count,
                     span.plan, span.last ? Name(got.finish) : "another plan", right.tokens.size(),
                     Name(right.finish));
}

}  // namespace dilemma::cli
