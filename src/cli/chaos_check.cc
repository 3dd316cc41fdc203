#include "cli/chaos_check.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include "base/interrupt.h"
#include "base/status.h"
#include "cli/chaos_spans.h"

namespace dilemma::cli {
namespace {

// What a plan says to a prompt, each asked once.
class Undisturbed {
 public:
  Undisturbed(FindPlan find_plan, const Cluster& cluster, std::filesystem::path shards,
              const CoordinatorOptions& options)
      : find_plan_(std::move(find_plan)), cluster_(cluster), shards_(std::move(shards)), options_(options) {}

  absl::StatusOr<GenerateResult> Ask(const std::string& plan, const GenerateRequest& request) {
    const auto key = std::tuple(plan, request.prompt, request.sampling.temperature, request.sampling.seed,
                                request.sampling.drawn, request.max_tokens);
    if (const auto it = known_.find(key); it != known_.end()) return it->second;
    if (plan != open_plan_) {
      open_.reset();  // servers hold one at a time
      const std::optional<Plan> found = find_plan_(plan);
      if (!found.has_value()) return Internal("no plan {} was in use", plan);
      ASSIGN_OR_RETURN(open_, Coordinator::Open(*found, cluster_, shards_, options_));
      open_plan_ = plan;
    }
    ASSIGN_OR_RETURN(GenerateResult result, open_->Generate(request));
    return known_.emplace(key, std::move(result)).first->second;
  }

 private:
  using Key = std::tuple<std::string, std::vector<int32_t>, double, uint32_t, int64_t, int64_t>;
  const FindPlan find_plan_;
  const Cluster cluster_;
  const std::filesystem::path shards_;
  const CoordinatorOptions options_;
  std::string open_plan_;
  std::unique_ptr<Coordinator> open_;
  std::map<Key, GenerateResult> known_;
};

// What would give the part, and all that follows, by itself.
GenerateRequest RequestFor(const ChaosRequest& asked, const PlanSpan& span) {
  const std::vector<int32_t>& tokens = asked.result.tokens;
  GenerateRequest request = asked.request;
  request.prompt.insert(request.prompt.end(), tokens.begin(),
                        tokens.begin() + static_cast<std::ptrdiff_t>(span.begin));
  request.max_tokens -= static_cast<int64_t>(span.begin);
  request.sampling.drawn = static_cast<int64_t>(span.begin);
  return request;
}

// Asks for every part, plan by plan, so that each is opened once.
absl::Status AskAll(const std::vector<ChaosRequest>& requests, Undisturbed& undisturbed,
                    const std::function<void(size_t done, size_t parts)>& progress) {
  std::map<std::string, std::vector<GenerateRequest>> by_plan;
  size_t parts = 0, done = 0;
  for (const ChaosRequest& asked : requests) {
    for (const PlanSpan& span : SpansOf(asked.result)) {
      by_plan[span.plan].push_back(RequestFor(asked, span));
      ++parts;
    }
  }
  for (const auto& [plan, list] : by_plan) {
    for (const GenerateRequest& request : list) {
      if (Interrupted()) return InterruptedStatus();
      progress(done++, parts);
      RETURN_IF_ERROR(undisturbed.Ask(plan, request).status());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> WhatIsWrong(const ChaosRequest& asked, Undisturbed& undisturbed) {
  if (!asked.status.ok()) return fmt::format("lost: {}", Message(asked.status));
  if (asked.streamed != asked.result.tokens) {
    return fmt::format("{} tokens were streamed, {} are in the result, or others", asked.streamed.size(),
                       asked.result.tokens.size());
  }
  for (const PlanSpan& span : SpansOf(asked.result)) {
    ASSIGN_OR_RETURN(const GenerateResult right, undisturbed.Ask(span.plan, RequestFor(asked, span)));
    const std::string wrong = Difference(asked.result, span, right);
    if (!wrong.empty()) return wrong;
  }
  return std::string();
}

// How it was asked, and where which plan took over.
std::string Story(const ChaosRequest& asked) {
  std::string story = asked.request.sampling.temperature > 0 ? "sampled" : "greedy";
  for (const GeneratedPart& part : asked.result.parts)
    story += fmt::format(", plan {} from token {}", part.plan, part.first_token);
  return story;
}

}  // namespace

absl::StatusOr<ChaosVerdict> CheckAnswers(const std::vector<ChaosRequest>& requests,
                                          const std::string& original_plan, const FindPlan& find_plan,
                                          const Cluster& cluster, const std::filesystem::path& shards,
                                          const CoordinatorOptions& options,
                                          const std::function<void(size_t done, size_t parts)>& progress) {
  Undisturbed undisturbed(find_plan, cluster, shards, options);
  RETURN_IF_ERROR(AskAll(requests, undisturbed, progress));
  ChaosVerdict verdict;
  for (const ChaosRequest& asked : requests) {
    ++verdict.requests;
    if (asked.result.parts.size() > 1) ++verdict.recovered;
    ASSIGN_OR_RETURN(const std::string wrong, WhatIsWrong(asked, undisturbed));
    const std::vector<PlanSpan> spans = SpansOf(asked.result);
    const bool original = spans.size() == 1 && spans[0].plan == original_plan;
    if (!wrong.empty()) {
      verdict.wrong.push_back(
          fmt::format("request {} ({}): {}", &asked - requests.data(), Story(asked), wrong));
    } else if (original == asked.result.replanned) {
      verdict.wrong.push_back(fmt::format("request {}: {} marked as re-planned", &asked - requests.data(),
                                          original ? "wrongly" : "not"));
    } else {
      ++(original ? verdict.same : verdict.replanned);
    }
  }
  return verdict;
}

double SecondsToNextToken(const std::vector<ChaosRequest>& requests, const Trouble& trouble) {
  std::vector<int64_t> arrivals;
  for (const ChaosRequest& asked : requests)
    arrivals.insert(arrivals.end(), asked.arrived_ns.begin(), asked.arrived_ns.end());
  std::sort(arrivals.begin(), arrivals.end());
  // The longest silence that began while the trouble was on is the one that it caused.
  int64_t longest = 0, until = trouble.begin_ns;
  int64_t before = trouble.begin_ns;
  for (auto it = std::upper_bound(arrivals.begin(), arrivals.end(), trouble.begin_ns); it != arrivals.end();
       ++it) {
    if (*it - before > longest) {
      longest = *it - before;
      until = *it;
    }
    if (*it > trouble.end_ns) break;
    before = *it;
  }
  return static_cast<double>(until - trouble.begin_ns) * 1e-9;
}

}  // namespace dilemma::cli
