#include "evaluation/squad_file.h"

#include "base/status.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

std::string File(const std::string& question) {
  return R"({"version": "1.1", "data": [{"title": "Bees", "paragraphs": [{"context": "Bees make honey.", "qas": [)" +
         question + "]}]}]}";
}

std::string ErrorOf(const std::string& json) {
  const auto articles = ParseSquad(json, "bees.json");
  EXPECT_FALSE(articles.ok());
  EXPECT_EQ(articles.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(Message(articles.status()));
}

TEST(SquadFileTest, ReadsArticles) {
  const auto articles = ParseSquad(File(R"({"id": "q1", "question": "What do bees make?",
               "answers": [{"text": "honey", "answer_start": 10}, {"text": "honey.", "answer_start": 10}]})"),
                                   "bees.json");
  ASSERT_TRUE(articles.ok()) << articles.status();
  ASSERT_EQ(articles->size(), 1U);
  const SquadArticle& bees = articles->front();
  EXPECT_EQ(bees.title, "Bees");
  ASSERT_EQ(bees.paragraphs.size(), 1U);
  EXPECT_EQ(bees.paragraphs[0].context, "Bees make honey.");
  ASSERT_EQ(bees.paragraphs[0].questions.size(), 1U);
  EXPECT_EQ(bees.paragraphs[0].questions[0].id, "q1");
  EXPECT_EQ(bees.paragraphs[0].questions[0].answers, (std::vector<std::string>{"honey", "honey."}));
}

TEST(SquadFileTest, NamesWhatIsWrong) {
  EXPECT_THAT(ErrorOf("{\"data\": [,]}"), HasSubstr("bees.json: not valid JSON"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("bees.json: is empty"));
  EXPECT_THAT(ErrorOf("\n"), HasSubstr("bees.json: is empty"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("no SQuAD file"));
  EXPECT_THAT(ErrorOf("{\"data\": []}"), HasSubstr("no articles"));
  EXPECT_THAT(ErrorOf("{\"data\": [{}]}"), HasSubstr("data[0]: the field 'title' is missing"));
  EXPECT_THAT(ErrorOf(File(R"({"id": "q1", "answers": []})")), HasSubstr("'question' is missing"));
  EXPECT_THAT(ErrorOf(File(R"({"id": "q1", "question": "?", "answers": []})")), HasSubstr("no answers"));
  EXPECT_THAT(ErrorOf(File(R"({"id": "q1", "question": "?", "answers": [{"text": ""}]})")),
              HasSubstr("empty"));
  EXPECT_THAT(ErrorOf(File(R"({"id": 1, "question": "?", "answers": []})")), HasSubstr("expected a text"));
}

TEST(SquadFileTest, RefusesVersion2) {
  EXPECT_THAT(ErrorOf(File(R"({"id": "q1", "question": "?", "is_impossible": true, "answers": []})")),
              HasSubstr("version 2 of SQuAD"));
  for (const char* version : {"v2.0", "2.0"})  // even where every question has an answer
    EXPECT_THAT(ErrorOf(fmt::format(R"({{"version": "{}", "data": []}})", version)), HasSubstr(version));
}

}  // namespace
}  // namespace dilemma
