#include "evaluation/squad_score.h"

#include <random>

#include "gtest/gtest.h"

namespace dilemma {
namespace {

struct Case {
  const char* text;
  const char* normal;
};

// Results of the official script's normalize_answer: case, articles as words only, ASCII punctuation only,
// word boundaries at Unicode characters, Unicode white space, special cases of lower case.
TEST(SquadScoreTest, NormalizesAsTheOfficialScript) {
  const Case cases[] = {
      {"The Cat!", "cat"},
      {"an apple a day", "apple day"},
      {"Theatre anthem banana", "theatre anthem banana"},
      {"U.S.A.", "usa"},
      {"the-a-an", "theaan"},
      {"a\342\200\223b the\342\200\223end", "\342\200\223b \342\200\223end"},
      {"\342\200\234the\342\200\235 quoted", "\342\200\234 \342\200\235 quoted"},
      {"\303\211COLE \303\234n\303\257code", "\303\251cole \303\274n\303\257code"},
      {"\304\260stanbul", "i\314\207stanbul"},
      {"\316\237\316\224\316\245\316\243\316\243\316\225\316\245\316\243 \316\243\316\221\316\243",
       "\316\277\316\264\317\205\317\203\317\203\316\265\317\205\317\202 \317\203\316\261\317\202"},
      {"a\314\201 b", "\314\201 b"},
      {"  \302\240tabs\011and\342\200\203spaces\343\200\200x ", "tabs and spaces x"},
      {"x\342\200\213y", "x\342\200\213y"},
      {"A. the. AN,", ""},
      {"", ""},
      {"the", ""},
      {"don't stop", "dont stop"},
      {"$12", "12"},
      {"1,000 km\302\262", "1000 km\302\262"},
      {"\302\275 a cup", "\302\275 cup"},
      {"\342\205\253 a", "\342\205\273"},
      {"the\302\262", "the\302\262"},
      {"a_b", "ab"},
      {"\346\227\245\346\234\254\350\252\236 the \346\235\261\344\272\254",
       "\346\227\245\346\234\254\350\252\236 \346\235\261\344\272\254"},
      {"\303\237 \341\272\236 STRASSE", "\303\237 \303\237 strasse"},
      {"e\314\201t\303\211", "e\314\201t\303\251"},
      {"a\342\200\215the", "\342\200\215"},
      {"the\302\240an", ""},
      {"\034the\035x\036y\037z\302\205w", "x y z w"},
      {"\342\222\266 the", "\342\223\220"},
      {"a\331\243 the", "a\331\243"},
      {"\302\252 the", "\302\252"},
      {"\307\205 the", "\307\206"},
      {"\342\200\224the\342\200\224 a", "\342\200\224 \342\200\224"},
      {"a\342\200\231s the\342\200\231s", "\342\200\231s \342\200\231s"},
      {"na\303\257ve a\314\247", "na\303\257ve \314\247"},
      {"\360\235\222\234 the \360\220\220\200", "\360\235\222\234 \360\220\220\250"},
      {"\331\240 the\342\200\250an\342\200\251x", "\331\240 x"},
  };
  for (const Case& c : cases) EXPECT_EQ(NormalizeAnswer(c.text), c.normal) << "of '" << c.text << "'";
}

struct Scored {
  const char* prediction;
  std::vector<std::string> gold;
  double exact_match, f1;
};

// Likewise of exact_match_score and f1_score, the best over the gold answers.
TEST(SquadScoreTest, ScoresAsTheOfficialScript) {
  const std::vector<Scored> cases = {
      {"Denver Broncos", {"Denver Broncos", "The Denver Broncos!"}, 1, 1},
      {"the Broncos of Denver", {"Denver Broncos", "Broncos"}, 0, 0.80000000000000004},
      {"", {"Paris"}, 0, 0},
      {"", {"the"}, 1, 0},
      {"a", {"an"}, 1, 0},
      {"the the", {"x"}, 0, 0},
      {"to be or not to be", {"to be to"}, 0, 0.66666666666666663},
      {"New York City in 1900", {"New York", "1900", "in the year 1900"}, 0, 0.57142857142857151},
      {"Caf\303\251 Noir", {"caf\303\251 noir", "cafe noir"}, 1, 1},
      {"one two three", {"four"}, 0, 0},
      {"42", {"42.", "$42"}, 1, 1},
      {"x x x", {"x"}, 0, 0.5},
      {"3.5", {"35"}, 1, 1},
  };
  for (const Scored& c : cases) {
    const SquadScore score = ScoreAnswer(c.prediction, c.gold);
    EXPECT_EQ(score.exact_match, c.exact_match) << c.prediction;
    EXPECT_NEAR(score.f1, c.f1, 1e-12) << c.prediction;
  }
}

TEST(SquadScoreTest, SurvivesAnyBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, ' ');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::string normal = NormalizeAnswer(bytes);
    const SquadScore score = ScoreAnswer(bytes, std::vector<std::string>{bytes});
    EXPECT_EQ(score.exact_match, 1);
    EXPECT_EQ(score.f1, normal.empty() ? 0 : 1);
  }
}

}  // namespace
}  // namespace dilemma
