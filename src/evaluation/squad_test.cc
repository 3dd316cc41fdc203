#include "evaluation/squad.h"

#include <set>

#include "evaluation/test_models.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

// After "Answer:" comes " A", then the end of the line; every other byte is as likely as any.
TableModel AnswersA() {
  std::vector<std::vector<float>> table(256, std::vector<float>(256, 0));
  table[':'][' '] = 5;
  table[' ']['A'] = 5;
  table['A']['\n'] = 5;
  TableModel model(std::move(table));
  model.end_tokens = AnswerEndTokens(ByteTokenizer());
  return model;
}

std::vector<SquadArticle> Articles() {
  SquadParagraph first{"Passage one.", {{"q1", "Which?", {"A", "the A", "A"}}, {"q2", "What?", {"B"}}}};
  SquadParagraph second{"Passage two.", {{"q3", "Who?", {"a A!", "C"}}}};
  return {{"T", {first, second}}};
}

TEST(SquadTest, AnswersAndScores) {
  const ByteTokenizer tokenizer;
  const auto articles = Articles();
  const auto tasks = MakeSquadTasks(articles, tokenizer, {});
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  ASSERT_EQ(tasks->size(), 2U);
  EXPECT_NE(tokenizer.Decode(tasks->at(0).shared).find("Passage one."), std::string::npos);
  EXPECT_EQ(tokenizer.Decode(tasks->at(0).queries[0].prompt), "\nQuestion: Which?\nAnswer:");
  EXPECT_EQ(tasks->at(0).queries[0].candidates.size(), 2U);  // "A" and "the A"
  TableModel model = AnswersA();
  const auto answers = AnswerSquad(model, tokenizer, *tasks);
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_EQ(answers->size(), 3U);
  EXPECT_EQ(answers->at(0).prediction, "A");
  EXPECT_EQ(answers->at(0).f1, 0);  // "A" is an article: nothing is left to compare
  EXPECT_EQ(answers->at(0).exact_match, 1);
  EXPECT_EQ(answers->at(1).exact_match, 0);
  // " A" and " the A": both spaces and the A after a space are likely, the rest is not.
  const double likely = std::log(1 + 255 * std::exp(-5.0)), other = std::log(256.0);
  const double after_space = std::log(std::exp(5.0) + 255);
  EXPECT_NEAR(answers->at(0).gold_nll, 2 * likely + likely + after_space + 3 * other + likely, 1e-4);
  EXPECT_EQ(answers->at(0).gold_tokens, 2 + 6);
  const SquadSummary summary = Summarize(*answers);
  EXPECT_NEAR(summary.exact_match.mean, 200.0 / 3, 1e-9);
  EXPECT_GT(summary.loss.mean, 0);
  const auto same = CompareAnswers(*answers, *answers);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->f1.high, 0);
  EXPECT_EQ(same->loss_ratio.low, 1);
  EXPECT_FALSE(CompareAnswers(*answers, std::span(*answers).subspan(1)).ok());
}

TEST(SquadTest, TextToCalibrateWithIsWhatIsAskedAndAnswered) {
  auto articles = Articles();
  articles[0].paragraphs.push_back({"Nothing is asked here.", {}});
  articles.push_back({"Empty", {{"Nor here.", {}}}});
  for (const SquadPrompt prompt : {SquadPrompt::kLine, SquadPrompt::kQuoted}) {
    const auto documents = AnsweredText(articles, prompt);
    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0].title, "T");
    const ByteTokenizer tokenizer;
    SquadOptions options;
    options.prompt = prompt;
    const auto tasks = MakeSquadTasks(articles, tokenizer, options);
    ASSERT_TRUE(tasks.ok()) << tasks.status();
    // Every prompt as it is asked, the first of its gold answers after it.
    std::string expected;
    for (const SquadTask& task : *tasks) {
      if (task.queries.empty()) continue;
      expected += tokenizer.Decode(task.shared);
      for (size_t q = 0; q < task.queries.size(); ++q) {
        const std::string& answer = task.questions[q]->answers[0];
        expected += tokenizer.Decode(task.queries[q].prompt);
        expected += prompt == SquadPrompt::kQuoted ? answer + "\"" : " " + answer;
      }
      expected += "\n\n";
    }
    EXPECT_EQ(documents[0].text, expected);
  }
}

TEST(SquadTest, ShowsAnExampleAndLimits) {
  const ByteTokenizer tokenizer;
  const auto articles = Articles();
  const auto zero = MakeSquadTasks(articles, tokenizer, {.shots = 0});
  const auto one = MakeSquadTasks(articles, tokenizer, {.shots = 1, .limit = 2});
  ASSERT_TRUE(zero.ok() && one.ok());
  EXPECT_GT(one->at(0).shared.size(), zero->at(0).shared.size());
  size_t questions = 0;
  for (const SquadTask& task : *one) questions += task.questions.size();
  EXPECT_EQ(questions, 1U);  // of the one paragraph in the middle
  EXPECT_GE(ContextNeeded(*zero), std::ssize(zero->at(0).shared) + 24);
  EXPECT_FALSE(MakeSquadTasks(articles, tokenizer, {.shots = 2}).ok());
  EXPECT_FALSE(MakeSquadTasks({}, tokenizer, {}).ok());
}

TEST(SquadTest, QuotedAnswersEndWithTheQuotationMark) {
  const ByteTokenizer tokenizer;
  const auto articles = Articles();
  const auto tasks = MakeSquadTasks(articles, tokenizer, {.prompt = SquadPrompt::kQuoted, .shots = 1});
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  const std::string shared = tokenizer.Decode(tasks->at(0).shared);
  EXPECT_NE(shared.find("Answer (a few words from the passage): \"Anna Lindqvist\"\n\nPassage: Passage one."),
            std::string::npos)
      << shared;
  EXPECT_EQ(tokenizer.Decode(tasks->at(0).queries[0].prompt),
            "\n\nQuestion: Which?\nAnswer (a few words from the passage): \"");
  EXPECT_EQ(tokenizer.Decode(tasks->at(0).queries[1].candidates[0]), "B");
  std::vector<std::vector<float>> table(256, std::vector<float>(256, 0));
  table['"']['B'] = 5;
  table['B']['"'] = 5;
  TableModel model(std::move(table));
  model.end_tokens = AnswerEndTokens(tokenizer, SquadPrompt::kQuoted);
  const auto answers = AnswerSquad(model, tokenizer, *tasks);
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_EQ(answers->at(1).prediction, "B");
  EXPECT_EQ(answers->at(1).exact_match, 1);
  EXPECT_EQ(PromptFor(SquadPrompt::kAuto, tokenizer), SquadPrompt::kLine);  // it has no chat template
  EXPECT_EQ(ParseSquadPrompt("quoted").value(), SquadPrompt::kQuoted);
  EXPECT_FALSE(ParseSquadPrompt("rhymed").ok());
}

TEST(SquadTest, ProgressCancels) {
  const ByteTokenizer tokenizer;
  const auto articles = Articles();
  const auto tasks = MakeSquadTasks(articles, tokenizer, {});
  TableModel model = AnswersA();
  const auto answers = AnswerSquad(model, tokenizer, *tasks, [](int64_t, int64_t) { return false; });
  EXPECT_EQ(answers.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace dilemma
