#include "evaluation/squad_score.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <map>
#include <vector>

namespace dilemma {
namespace {

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

// What the script's language takes for a letter or digit of a word, and for white space.
bool IsWordCharacter(UChar32 c) { return (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0 || c == '_'; }
bool IsSpace(UChar32 c) { return (c >= 0x1c && c <= 0x1f) || u_isUWhiteSpace(c); }

std::vector<UChar32> LowerWithoutPunctuation(std::string_view text) {
  icu::UnicodeString lower =
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  lower.toLower(icu::Locale::getRoot());
  std::vector<UChar32> characters;
  for (int32_t i = 0; i < lower.length(); i = lower.moveIndex32(i, 1)) {
    const UChar32 c = lower.char32At(i);
    if (c >= 0x80 || kPunctuation.find(static_cast<char>(c)) == std::string_view::npos)
      characters.push_back(c);
  }
  return characters;
}

bool IsArticle(std::span<const UChar32> word) {
  for (const std::string_view article : {"a", "an", "the"}) {
    if (std::equal(word.begin(), word.end(), article.begin(), article.end())) return true;
  }
  return false;
}

// Words as the script sees them when it removes articles are runs of letters and digits: in "a–b" (with a
// dash that is not ASCII punctuation) the "a" is one.
void BlankArticles(std::vector<UChar32>& text) {
  for (size_t first = 0; first < text.size();) {
    size_t end = first;
    while (end < text.size() && IsWordCharacter(text[end])) ++end;
    const auto word = std::span(text).subspan(first, end - first);
    if (IsArticle(word)) std::fill(word.begin(), word.end(), ' ');
    first = std::max(end, first + 1);
  }
}

std::vector<std::string> NormalizedWords(std::string_view text) {
  std::vector<UChar32> characters = LowerWithoutPunctuation(text);
  BlankArticles(characters);
  std::vector<std::string> words;
  icu::UnicodeString word;
  const auto finish = [&] {
    if (!word.isEmpty()) word.toUTF8String(words.emplace_back());
    word.remove();
  };
  for (const UChar32 c : characters) {
    if (IsSpace(c)) {
      finish();
    } else {
      word.append(c);
    }
  }
  finish();
  return words;
}

double F1(std::span<const std::string> prediction, std::span<const std::string> gold) {
  std::map<std::string_view, int> left;
  for (const std::string& word : gold) ++left[word];
  int same = 0;
  for (const std::string& word : prediction) {
    const auto it = left.find(word);
    if (it != left.end() && it->second > 0) {
      --it->second;
      ++same;
    }
  }
  if (same == 0) return 0;
  const double precision = static_cast<double>(same) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(same) / static_cast<double>(gold.size());
  return 2 * precision * recall / (precision + recall);
}

}  // namespace

std::string NormalizeAnswer(std::string_view text) {
  std::string joined;
  for (const std::string& word : NormalizedWords(text)) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

SquadScore ScoreAnswer(std::string_view prediction, std::span<const std::string> gold) {
  const std::vector<std::string> words = NormalizedWords(prediction);
  SquadScore best;
  for (const std::string& answer : gold) {
    const std::vector<std::string> gold_words = NormalizedWords(answer);
    best.exact_match = std::max(best.exact_match, words == gold_words ? 1.0 : 0.0);
    best.f1 = std::max(best.f1, F1(words, gold_words));
  }
  return best;
}

}  // namespace dilemma
