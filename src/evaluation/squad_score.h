// Exact match and F1 of an answer, as the official script of SQuAD v1.1 computes them: texts are compared in
// lower case, without ASCII punctuation, without the words a, an and the, and with single spaces; the best of
// the gold answers counts. Thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dilemma {

struct SquadScore {
  double exact_match = 0;  // 0 or 1
  double f1 = 0;           // of words, in [0, 1]
};

std::string NormalizeAnswer(std::string_view text);  // text is UTF-8; bad bytes become U+FFFD
SquadScore ScoreAnswer(std::string_view prediction, std::span<const std::string> gold);

}  // namespace dilemma
