#include "evaluation/squad_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "fmt/format.h"

namespace dilemma {
namespace {

absl::StatusOr<SquadQuestion> ParseQuestion(const JsonField& json) {
  if (json.Has("is_impossible")) {
    return json.Error("has 'is_impossible': this is version 2 of SQuAD; version 1.1 is wanted here");
  }
  SquadQuestion question;
  ASSIGN_OR_RETURN(question.id, json.String("id"));
  ASSIGN_OR_RETURN(question.question, json.String("question"));
  ASSIGN_OR_RETURN(const auto answers, json.Items("answers"));
  for (const JsonField& answer : answers) {
    ASSIGN_OR_RETURN(std::string text, answer.String("text"));
    if (text.empty()) return answer.Error("the answer's text is empty");
    question.answers.push_back(std::move(text));
  }
  if (question.answers.empty()) return json.Error("the question has no answers");
  return question;
}

absl::StatusOr<SquadParagraph> ParseParagraph(const JsonField& json) {
  SquadParagraph paragraph;
  ASSIGN_OR_RETURN(paragraph.context, json.String("context"));
  ASSIGN_OR_RETURN(const auto questions, json.Items("qas"));
  for (const JsonField& question : questions) {
    ASSIGN_OR_RETURN(SquadQuestion parsed, ParseQuestion(question));
    paragraph.questions.push_back(std::move(parsed));
  }
  return paragraph;
}

absl::StatusOr<SquadArticle> ParseArticle(const JsonField& json) {
  SquadArticle article;
  ASSIGN_OR_RETURN(article.title, json.String("title"));
  ASSIGN_OR_RETURN(const auto paragraphs, json.Items("paragraphs"));
  for (const JsonField& paragraph : paragraphs) {
    ASSIGN_OR_RETURN(SquadParagraph parsed, ParseParagraph(paragraph));
    article.paragraphs.push_back(std::move(parsed));
  }
  return article;
}

}  // namespace

absl::StatusOr<std::vector<SquadArticle>> ParseSquad(std::string_view json, std::string_view source) {
  ASSIGN_OR_RETURN(const Json document, ParseJson(json, source));
  const JsonField root(document, std::string(source));
  if (root.Has("version") && document["version"].is_string()) {
    const std::string version = document["version"].get<std::string>();
    if (version.starts_with("2") || version.starts_with("v2"))
      return root.Error(
          fmt::format("has version '{}' of SQuAD; version 1.1 is wanted here (dev-v1.1.json)", version));
  }
  if (!root.Has("data")) return root.Error("this is no SQuAD file: the field 'data' is missing");
  ASSIGN_OR_RETURN(const auto items, root.Items("data"));
  std::vector<SquadArticle> articles;
  for (const JsonField& item : items) {
    ASSIGN_OR_RETURN(SquadArticle article, ParseArticle(item));
    articles.push_back(std::move(article));
  }
  if (articles.empty()) return root.Error("holds no articles");
  return articles;
}

absl::StatusOr<std::vector<SquadArticle>> ReadSquad(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseSquad(text, path.string());
}

}  // namespace dilemma
