#include "evaluation/plan_model.h"

#include <algorithm>
#include <mutex>

#include "base/parallel.h"
#include "base/status.h"
#include "evaluation/logits.h"

namespace dilemma {
namespace {

std::vector<int32_t> Join(std::span<const int32_t> a, std::span<const int32_t> b) {
  std::vector<int32_t> all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

class PlanModel : public LanguageModel {
 public:
  PlanModel(std::unique_ptr<Coordinator> coordinator, const PlanModelOptions& options)
      : coordinator_(std::move(coordinator)), options_(options) {}

  int64_t n_vocab() const override { return options_.n_vocab; }
  int64_t context() const override { return options_.context; }

  absl::Status Logits(std::span<const int32_t> tokens, const LogitsSink& sink) override {
    ASSIGN_OR_RETURN(const std::vector<float> logits, AllLogits({tokens.begin(), tokens.end()}));
    return sink(0, logits);
  }

  absl::StatusOr<std::vector<Reply>> Ask(std::span<const int32_t> shared,
                                         std::span<const Query> queries) override {
    RETURN_IF_ERROR(CheckQueries(shared, queries, options_.context));
    std::vector<Reply> replies(queries.size());
    std::mutex mutex;
    absl::Status failure;  // the first
    const auto answer = [&](int64_t first, int64_t last) {
      for (int64_t q = first; q < last; ++q) {
        const absl::Status status =
            AskOne(shared, queries[static_cast<size_t>(q)], replies[static_cast<size_t>(q)]);
        const std::lock_guard lock(mutex);
        if (failure.ok()) failure = status;
        if (!failure.ok()) return;
      }
    };
    ParallelFor(std::ssize(queries), answer, std::max(1, options_.users));
    if (!failure.ok()) return failure;
    return replies;
  }

 private:
  // n_vocab values for each token of the text.
  absl::StatusOr<std::vector<float>> AllLogits(std::vector<int32_t> tokens) {
    const size_t rows = tokens.size();
    GenerateRequest request;
    request.prompt = std::move(tokens);
    request.max_tokens = 1;
    request.want_logits = WantLogits::kAll;
    ASSIGN_OR_RETURN(GenerateResult result, coordinator_->Generate(request));
    if (result.n_vocab != options_.n_vocab ||
        result.logits.size() != rows * static_cast<size_t>(result.n_vocab)) {
      return Internal("the cluster sent {} logits for {} tokens of a vocabulary of {}", result.logits.size(),
                      rows, options_.n_vocab);
    }
    return std::move(result.logits);
  }

  absl::Status AskOne(std::span<const int32_t> shared, const Query& query, Reply& reply) {
    const std::vector<int32_t> prompt = Join(shared, query.prompt);
    if (query.max_tokens > 0) {
      GenerateRequest request;
      request.prompt = prompt;
      request.max_tokens = query.max_tokens;
      ASSIGN_OR_RETURN(GenerateResult result, coordinator_->Generate(request));
      reply.generated = std::move(result.tokens);
    }
    const auto vocab = static_cast<size_t>(options_.n_vocab);
    for (const std::vector<int32_t>& candidate : query.candidates) {
      ASSIGN_OR_RETURN(const std::vector<float> logits, AllLogits(Join(prompt, candidate)));
      double nll = 0;
      for (size_t i = 0; i < candidate.size(); ++i) {
        const size_t row = prompt.size() + i - 1;
        nll += NegativeLogLikelihood(std::span(logits).subspan(row * vocab, vocab), candidate[i]);
      }
      reply.candidate_nll.push_back(nll);
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Coordinator> coordinator_;
  PlanModelOptions options_;
};

}  // namespace

std::unique_ptr<LanguageModel> MakePlanModel(std::unique_ptr<Coordinator> coordinator,
                                             const PlanModelOptions& options) {
  return std::make_unique<PlanModel>(std::move(coordinator), options);
}

}  // namespace dilemma
