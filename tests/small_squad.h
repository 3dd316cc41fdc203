// A SQuAD v1.1 file of a few short passages, written for tests.
#pragma once

#include <string>

#include "base/json.h"

namespace dilemma::testing {

// Four articles; their titles fall into both halves (evaluation/text.h).
inline Json SmallSquad() {
  Json articles = Json::array();
  for (const char* title : {"Rivers", "Bridges", "Towers", "Gardens"}) {
    Json paragraphs = Json::array();
    for (int i = 0; i < 3; ++i) {
      const std::string answer = "in " + std::to_string(1850 + 7 * i);
      std::string context;
      for (int k = 0; k < 6; ++k)
        context += std::string(title) + " of the town were made " + answer + " by many people. ";
      paragraphs.push_back(
          {{"context", context},
           {"qas", Json::array({{{"id", title + std::to_string(i)},
                                 {"question", "When were they made?"},
                                 {"answers", Json::array({{{"text", answer},
                                                           {"answer_start", context.find(answer)}}})}}})}});
    }
    articles.push_back({{"title", title}, {"paragraphs", std::move(paragraphs)}});
  }
  return {{"version", "1.1"}, {"data", std::move(articles)}};
}

}  // namespace dilemma::testing
