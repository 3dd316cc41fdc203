#include "evaluation/plan_model.h"

#include <atomic>
#include <random>

#include "evaluation/kl.h"
#include "evaluation/logits.h"
#include "evaluation/test_models.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using Table = std::vector<std::vector<float>>;

Table RandomTable(int vocab) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 3);
  Table table(static_cast<size_t>(vocab));
  for (auto& row : table) {
    for (int i = 0; i < vocab; ++i) row.push_back(normal(random));
  }
  return table;
}

// A cluster whose next token depends on the last one alone, as TableModel's does.
class TableCoordinator : public Coordinator {
 public:
  TableCoordinator(Table table, std::vector<int32_t> ends, absl::Status failure)
      : table_(std::move(table)), ends_(std::move(ends)), failure_(std::move(failure)) {}

  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request, const OnToken&) override {
    if (!failure_.ok()) return failure_;
    GenerateResult result;
    result.n_vocab = std::ssize(table_);
    if (request.want_logits == WantLogits::kAll) {
      for (const int32_t token : request.prompt) {
        const auto& row = table_[static_cast<size_t>(token)];
        result.logits.insert(result.logits.end(), row.begin(), row.end());
      }
    }
    int32_t token = request.prompt.back();
    while (std::ssize(result.tokens) < request.max_tokens) {
      token = Top(table_[static_cast<size_t>(token)]);
      if (std::find(ends_.begin(), ends_.end(), token) != ends_.end()) break;
      result.tokens.push_back(token);
    }
    return result;
  }
  void Close() override {}

 private:
  Table table_;
  std::vector<int32_t> ends_;
  absl::Status failure_;
};

std::unique_ptr<LanguageModel> OnCluster(const Table& table, std::vector<int32_t> ends,
                                         absl::Status failure = {}) {
  return MakePlanModel(std::make_unique<TableCoordinator>(table, std::move(ends), std::move(failure)),
                       {.context = 64, .n_vocab = std::ssize(table), .users = 3});
}

TEST(PlanModelTest, EqualsTheModelInThisProcess) {
  const Table table = RandomTable(30);
  TableModel here(table);
  here.end_tokens = {4, 9};
  const auto there = OnCluster(table, {4, 9});
  const std::vector<int32_t> shared = {1, 2};
  std::vector<Query> queries;
  for (int32_t q = 0; q < 7; ++q) queries.push_back({{3, q}, {{5, 6, q}, {7}}, 5});
  const auto expected = here.Ask(shared, queries);
  const auto found = there->Ask(shared, queries);
  ASSERT_TRUE(expected.ok() && found.ok()) << found.status();
  ASSERT_EQ(found->size(), 7U);
  for (size_t q = 0; q < 7; ++q) {
    EXPECT_EQ(found->at(q).generated, expected->at(q).generated);
    EXPECT_EQ(found->at(q).candidate_nll, expected->at(q).candidate_nll);
  }
  LanguageModel* students[] = {there.get()};
  const std::vector<std::vector<int32_t>> windows = {{1, 2, 3, 4}, {9, 8, 7, 6}};
  const auto scores = CompareModels(here, students, windows);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ(scores->at(1).kl, (std::vector<double>{0, 0}));
}

TEST(PlanModelTest, FailuresOfTheClusterComeThrough) {
  const auto model = OnCluster(RandomTable(30), {}, absl::UnavailableError("server 'b' is silent"));
  const std::vector<Query> queries(4, Query{{3}, {{5}}, 2});
  const auto replies = model->Ask({}, queries);
  EXPECT_EQ(replies.status(), absl::UnavailableError("server 'b' is silent"));
  const std::vector<std::vector<int32_t>> windows = {{1, 2}};
  EXPECT_EQ(ScoreText(*model, windows).status().code(), absl::StatusCode::kUnavailable);
  const std::vector<Query> long_one(1, Query{std::vector<int32_t>(64, 1), {}, 2});
  EXPECT_EQ(model->Ask({}, long_one).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dilemma
