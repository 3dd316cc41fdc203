#include "cli/chaos_check.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "base/interrupt.h"
#include "base/status.h"
#include "cli/chaos_spans.h"

namespace dilemma::cli {
namespace {

// What tells one question to a plan from another.
using Key = std::tuple<std::vector<int32_t>, double, uint32_t, int64_t, int64_t>;
Key KeyOf(const GenerateRequest& request) {
  return {request.prompt, request.sampling.temperature, request.sampling.seed, request.sampling.drawn,
          request.max_tokens};
}
using Questions = std::map<std::string, std::map<Key, GenerateRequest>>;  // by plan

// What plans say to prompts.
class Undisturbed {
 public:
  Undisturbed(FindPlan find_plan, const Cluster& cluster, std::filesystem::path shards,
              const CoordinatorOptions& options)
      : find_plan_(std::move(find_plan)), cluster_(cluster), shards_(std::move(shards)), options_(options) {}

  // Plan by plan, as servers hold one at a time.
  absl::Status AskAll(const Questions& questions, const CheckProgress& progress) {
    size_t all = 0;
    for (const auto& [plan, list] : questions) all += list.size();
    for (const auto& [plan, list] : questions) RETURN_IF_ERROR(AskPlan(plan, list, all, progress));
    return absl::OkStatus();
  }

  const GenerateResult& Answer(const std::string& plan, const GenerateRequest& request) const {
    return known_.at(plan).at(KeyOf(request));
  }

 private:
  absl::Status AskPlan(const std::string& id, const std::map<Key, GenerateRequest>& list, size_t all,
                       const CheckProgress& progress) {
    const std::optional<Plan> plan = find_plan_(id);
    if (!plan.has_value()) return Internal("no plan {} was in use", id);
    ASSIGN_OR_RETURN(const auto ring, Coordinator::Open(*plan, cluster_, shards_, options_));
    std::map<Key, GenerateResult>& known = known_[id];
    std::mutex mutex;  // guards what follows, and `known`
    absl::Status failed;
    auto next = list.begin();
    const auto ask = [&] {
      std::unique_lock lock(mutex);
      while (next != list.end() && failed.ok()) {
        if (Interrupted()) {
          failed = InterruptedStatus();
          return;
        }
        const auto& [key, request] = *next++;
        progress(asked_++, all);
        lock.unlock();
        absl::StatusOr<GenerateResult> answer = ring->Generate(request);
        lock.lock();
        if (answer.ok()) {
          known.emplace(key, *std::move(answer));
        } else {
          failed.Update(answer.status());
        }
      }
    };
    std::vector<std::thread> users;
    for (int64_t user = 0; user < plan->workload.users; ++user) users.emplace_back(ask);
    for (std::thread& user : users) user.join();
    return failed;
  }

  const FindPlan find_plan_;
  const Cluster cluster_;
  const std::filesystem::path shards_;
  const CoordinatorOptions options_;
  size_t asked_ = 0;
  std::map<std::string, std::map<Key, GenerateResult>> known_;  // by plan
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

// Every part once: the same are asked for again and again.
Questions QuestionsOf(const std::vector<ChaosRequest>& requests) {
  Questions questions;
  for (const ChaosRequest& asked : requests) {
    for (const PlanSpan& span : SpansOf(asked.result)) {
      GenerateRequest request = RequestFor(asked, span);
      questions[span.plan].try_emplace(KeyOf(request), std::move(request));
    }
  }
  return questions;
}

std::string WhatIsWrong(const ChaosRequest& asked, const Undisturbed& undisturbed) {
  if (!asked.status.ok()) return fmt::format("lost: {}", Message(asked.status));
  if (asked.streamed != asked.result.tokens) {
    return fmt::format("{} tokens were streamed, {} are in the result, or others", asked.streamed.size(),
                       asked.result.tokens.size());
  }
  for (const PlanSpan& span : SpansOf(asked.result)) {
    const GenerateResult& right = undisturbed.Answer(span.plan, RequestFor(asked, span));
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
                                          const CoordinatorOptions& options, const CheckProgress& progress) {
  Undisturbed undisturbed(find_plan, cluster, shards, options);
  RETURN_IF_ERROR(undisturbed.AskAll(QuestionsOf(requests), progress));
  ChaosVerdict verdict;
  for (const ChaosRequest& asked : requests) {
    ++verdict.requests;
    if (asked.result.parts.size() > 1) ++verdict.recovered;
    const std::string wrong = WhatIsWrong(asked, undisturbed);
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
