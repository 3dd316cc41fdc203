#include "evaluation/gguf_model.h"

#include <algorithm>

#include "base/file.h"
#include "engine/tokenizer.h"
#include "evaluation/kl.h"
#include "evaluation/logits.h"
#include "evaluation/squad.h"
#include "evaluation/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

fs::path ModelPath() { return CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"; }

class GgufModelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(ModelPath())) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << ModelPath().string();
    }
    auto tokenizer = Tokenizer::Load(ModelPath());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  std::unique_ptr<LanguageModel> Load(int queries, int64_t context = 256) {
    GgufModelOptions options;
    options.context = context;
    options.queries = queries;
    options.batch = 16;
    options.threads = 1;
    options.end_tokens = AnswerEndTokens(*tokenizer_);
    auto model = LoadGgufModel(ModelPath(), options);
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }
  std::vector<int32_t> Tokens(std::string_view text) { return tokenizer_->Encode(text, false, false); }

  std::unique_ptr<Tokenizer> tokenizer_;
};

constexpr std::string_view kText =
    "The Rhine rises in the Swiss Alps, flows through Germany and the Netherlands, and ends in the North "
    "Sea.";

TEST_F(GgufModelTest, KlOfAModelWithItselfIsZero) {
  const auto model = Load(1), twin = Load(1);
  const std::vector<std::vector<int32_t>> windows = {Tokens(kText)};
  LanguageModel* students[] = {twin.get()};
  const auto scores = CompareModels(*model, students, windows);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ(scores->at(1).kl[0], 0);
  EXPECT_EQ(scores->at(1).same[0], 1);
  EXPECT_EQ(scores->at(1).nll[0], scores->at(0).nll[0]);
  EXPECT_GT(Perplexity(scores->at(0)).mean, 2);    // it has not seen this very text
  EXPECT_LT(Perplexity(scores->at(0)).mean, 100);  // but it knows English
}

TEST_F(GgufModelTest, AnswersTheSameTogetherAndAlone) {
  const auto together = Load(3), alone = Load(1);
  const std::vector<int32_t> shared = Tokens(std::string("Passage: ").append(kText));
  std::vector<Query> queries;
  for (const char* question :
       {"Where does the Rhine rise?", "Which sea does the Rhine end in, after all that way?",
        "Which countries?", "What is it?"}) {
    Query query;
    query.prompt = Tokens(std::string("\nQuestion: ") + question + "\nAnswer:");
    query.candidates = {Tokens(" the Swiss Alps"), Tokens(" Sea")};
    query.max_tokens = 6;
    queries.push_back(query);
  }
  const auto all = together->Ask(shared, queries);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), queries.size());
  for (size_t q = 0; q < queries.size(); ++q) {
    const auto one = alone->Ask(shared, std::span(queries).subspan(q, 1));
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(all->at(q).generated, one->at(0).generated);
    ASSERT_EQ(all->at(q).candidate_nll.size(), 2U);
    for (size_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(all->at(q).candidate_nll[c], one->at(0).candidate_nll[c], 1e-3);
    }
  }
  EXPECT_LT(all->at(0).candidate_nll[0] / 3,
            all->at(1).candidate_nll[0] / 3);  // the right answer is likelier
}

// Scores of candidates equal those from the logits of the whole text, also after other texts were asked
// about.
TEST_F(GgufModelTest, CandidatesEqualTheWholeTextsLogits) {
  const auto model = Load(2);
  const std::vector<int32_t> shared = Tokens("The capital of France");
  Query query;
  query.prompt = Tokens(" is");
  query.candidates = {Tokens(" the city of Paris")};
  ASSERT_TRUE(model->Ask(Tokens("The capital of Spain and so on"), std::span(&query, 1)).ok());
  const auto reply = model->Ask(shared, std::span(&query, 1));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->at(0).generated.empty());
  std::vector<int32_t> whole = shared;
  whole.insert(whole.end(), query.prompt.begin(), query.prompt.end());
  const size_t first = whole.size();
  whole.insert(whole.end(), query.candidates[0].begin(), query.candidates[0].end());
  double nll = 0;
  ASSERT_TRUE(model
                  ->Logits(whole,
                           [&](int64_t row, std::span<const float> logits) {
                             const auto vocab = static_cast<size_t>(model->n_vocab());
                             for (size_t i = 0; i < logits.size() / vocab; ++i) {
                               const size_t next = static_cast<size_t>(row) + i + 1;
                               if (next < first || next >= whole.size()) continue;
                               nll += NegativeLogLikelihood(logits.subspan(i * vocab, vocab), whole[next]);
                             }
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_NEAR(reply->at(0).candidate_nll[0], nll, 1e-3);
}

TEST_F(GgufModelTest, RefusesWhatDoesNotFit) {
  const auto model = Load(1, 32);
  const std::vector<int32_t> text(33, 5);
  EXPECT_FALSE(model->Logits(text, [](int64_t, std::span<const float>) { return absl::OkStatus(); }).ok());
  EXPECT_FALSE(model->Logits({}, [](int64_t, std::span<const float>) { return absl::OkStatus(); }).ok());
  Query query;
  EXPECT_FALSE(model->Ask({}, std::span(&query, 1)).ok());
  query.prompt.assign(30, 5);
  query.max_tokens = 3;
  EXPECT_FALSE(model->Ask({}, std::span(&query, 1)).ok());
  query.max_tokens = 2;
  EXPECT_TRUE(model->Ask({}, std::span(&query, 1)).ok());
}

TEST_F(GgufModelTest, SummarizesTheFile) {
  const auto summary = SummarizeGguf(ModelPath());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->file_bytes, static_cast<int64_t>(fs::file_size(ModelPath())));
  EXPECT_EQ(summary->types, "q4_1 x210, q8_0 x1");
  EXPECT_GT(summary->bits_per_weight, 5);
  EXPECT_LT(summary->bits_per_weight, 6.5);
}

TEST(GgufModelErrors, NamesTheFile) {
  const auto model = LoadGgufModel("/nonexistent/model.gguf", {});
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.status().ToString(), testing::HasSubstr("/nonexistent/model.gguf"));
}

}  // namespace
}  // namespace dilemma
