// A small file in SQuAD's form for tests, with titles of both halves (evaluation/text.h), so that there is
// something to ask and something to calibrate with.
#pragma once

#include <string>

#include "base/json.h"
#include "fmt/format.h"

namespace dilemma::testing {

// Eight passages with a question each; `more` goes into every question.
inline Json ArticleOnBees(const std::string& title, const Json& more) {
  Json paragraphs = Json::array();
  for (int i = 0; i < 8; ++i) {
    Json question = {{"id", fmt::format("{}-{}", title, i)},
                     {"question", "How many bees are there?"},
                     {"answers", {{{"text", fmt::format("{} bees", i)}, {"answer_start", 10}}}}};
    question.update(more);
    std::string context;
    for (int k = 0; k < 12; ++k) context += fmt::format("There are {} bees in hive {} of {}. ", i, k, title);
    paragraphs.push_back({{"context", context}, {"qas", {question}}});
  }
  return {{"title", title}, {"paragraphs", paragraphs}};
}

inline Json SquadOfBees(const std::string& version, const Json& more = Json::object()) {
  Json articles = Json::array();
  for (int i = 0; i < 12; ++i) articles.push_back(ArticleOnBees(fmt::format("Bees_{}", i), more));
  return {{"version", version}, {"data", articles}};
}

}  // namespace dilemma::testing
