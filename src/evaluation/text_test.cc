#include "evaluation/text.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/status.h"
#include "evaluation/test_models.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

class TextTest : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& name, std::string_view text) {
    const auto path = dir_->path() / name;
    EXPECT_TRUE(WriteFileAtomically(path, text).ok());
    return path;
  }
  std::string ErrorOf(const std::filesystem::path& path) {
    const auto documents = ReadDocuments(path);
    EXPECT_FALSE(documents.ok());
    return std::string(Message(documents.status()));
  }
  absl::StatusOr<TempDir> dir_ = TempDir::Create("dilemma-text");
  ByteTokenizer tokenizer_;
};

TEST_F(TextTest, ReadsPlainTextFoldersAndSquad) {
  const auto path = Write("b.txt", "second");
  Write("a.txt", "first \xc3\xa9");
  Write("notes.md", "no text file");
  auto one = ReadDocuments(path);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->at(0).title, "b");
  auto folder = ReadDocuments(dir_->path());
  ASSERT_TRUE(folder.ok());
  ASSERT_EQ(folder->size(), 2U);
  EXPECT_EQ(folder->at(0).text, "first \xc3\xa9");
  auto squad =
      ReadDocuments(Write("s.json", R"({"data": [{"title": "T", "paragraphs": [{"context": "A b.", "qas": []},
                                                                   {"context": "C d.", "qas": []}]}]})"));
  ASSERT_TRUE(squad.ok()) << squad.status();
  EXPECT_EQ(squad->at(0).text, "A b.\nC d.\n");
}

TEST_F(TextTest, RefusesEmptyAndBinaryText) {
  EXPECT_THAT(ErrorOf(Write("e.txt", "")), HasSubstr("holds no text"));
  EXPECT_THAT(ErrorOf(Write("e.txt", " \n\t \r\n")), HasSubstr("holds no text"));
  EXPECT_THAT(ErrorOf(Write("e.txt", "good \xff bad")), HasSubstr("no UTF-8 text: see byte 5 (0xff)"));
  EXPECT_THAT(ErrorOf(Write("e.txt", "cut \xe2\x82")), HasSubstr("byte 4"));
  EXPECT_THAT(ErrorOf(Write("e.txt", std::string_view("nul\0", 4))), HasSubstr("byte 3 (0x00)"));
  EXPECT_THAT(ErrorOf(dir_->path() / "absent.txt"), HasSubstr("absent.txt"));
  const auto empty = dir_->path() / "folder";
  std::filesystem::create_directory(empty);
  EXPECT_THAT(ErrorOf(empty), HasSubstr("no *.txt files"));
}

TEST_F(TextTest, PartsAreDisjointAndDependOnTitlesAlone) {
  std::vector<Document> documents;
  for (int i = 0; i < 100; ++i) documents.push_back({fmt::format("Article {}", i), "text"});
  const auto calibration = SelectPart(documents, Part::kCalibration);
  const auto test = SelectPart(documents, Part::kTest);
  ASSERT_TRUE(calibration.ok() && test.ok());
  EXPECT_EQ(calibration->size() + test->size(), 100U);
  EXPECT_GT(calibration->size(), 25U);
  EXPECT_GT(test->size(), 25U);
  std::set<std::string> titles;
  for (const Document& document : *calibration) titles.insert(document.title);
  for (const Document& document : *test) EXPECT_FALSE(titles.contains(document.title));
  documents.resize(1);
  const Part other = PartOf(documents[0].title) == Part::kTest ? Part::kCalibration : Part::kTest;
  EXPECT_FALSE(SelectPart(documents, other).ok());
  EXPECT_TRUE(SelectPart(documents, Part::kAll).ok());
}

TEST_F(TextTest, CutsWindowsInsideDocuments) {
  const std::vector<Document> documents = {{"a", "0123456789"}, {"b", "abcdefg"}};
  const auto windows = MakeWindows(documents, tokenizer_, {.window = 4, .count = 0, .seed = 0});
  ASSERT_TRUE(windows.ok()) << windows.status();
  std::vector<std::string> texts;
  for (const TokenWindow& window : *windows) texts.push_back(tokenizer_.Decode(window));
  EXPECT_EQ(texts, (std::vector<std::string>{"0123", "4567", "abcd"}));
}

TEST_F(TextTest, BeginsEveryWindowAsTheModelWantsIt) {
  tokenizer_.start = 7;
  const auto windows = MakeWindows({{"a", "0123456789"}}, tokenizer_, {.window = 4, .count = 0, .seed = 0});
  ASSERT_TRUE(windows.ok());
  ASSERT_EQ(windows->size(), 3U);
  EXPECT_EQ(windows->at(1), (TokenWindow{7, '3', '4', '5'}));
}

TEST_F(TextTest, SkippedWindowsAreThoseThatWouldBeDrawnFirst) {
  std::string text;
  for (int i = 0; i < 12; ++i) text += std::string(2, static_cast<char>('a' + i));
  const auto draw = [&](int64_t count, int64_t skip) {
    return *MakeWindows({{"a", text}}, tokenizer_, {.window = 2, .count = count, .seed = 7, .skip = skip});
  };
  auto together = draw(5, 0);
  const auto others = draw(3, 5);
  EXPECT_EQ(others.size(), 3U);
  together.insert(together.end(), others.begin(), others.end());
  std::sort(together.begin(), together.end());
  auto first_eight = draw(8, 0);
  std::sort(first_eight.begin(), first_eight.end());
  EXPECT_EQ(together, first_eight);
  EXPECT_EQ(draw(9, 5).size() + 5, draw(0, 0).size());
  EXPECT_TRUE(draw(3, 100).empty());
}

TEST_F(TextTest, ChoosesEvenlyOrBySeed) {
  std::string text;
  for (int i = 0; i < 90; ++i) text += static_cast<char>(0x21 + i);
  const std::vector<Document> documents = {{"a", text}};
  const auto pick = [&](uint32_t seed) {
    return *MakeWindows(documents, tokenizer_, {.window = 2, .count = 5, .seed = seed});
  };
  EXPECT_EQ(pick(0), pick(0));
  EXPECT_EQ(pick(1), pick(1));
  EXPECT_NE(pick(1), pick(2));
  EXPECT_EQ(pick(0)[0], (TokenWindow{0x21 + 8, 0x21 + 9}));
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const auto windows = pick(seed);
    EXPECT_EQ(std::set<TokenWindow>(windows.begin(), windows.end()).size(), 5U);
  }
}

TEST_F(TextTest, SaysWhenTheTextIsTooShort) {
  const auto windows =
      MakeWindows({{"a", "0123"}, {"b", "01234"}}, tokenizer_, {.window = 6, .count = 1, .seed = 0});
  ASSERT_FALSE(windows.ok());
  EXPECT_THAT(std::string(Message(windows.status())), HasSubstr("longest document has 5 tokens"));
  EXPECT_FALSE(MakeWindows({{"a", "0123"}}, tokenizer_, {.window = 1, .count = 1, .seed = 0}).ok());
}

TEST_F(TextTest, LongLinesAreWhole) {
  std::string line;
  while (line.size() < 300'000) line += "\xc3\xa9t";
  const auto windows = MakeWindows({{"a", line}}, tokenizer_, {.window = 1000, .count = 0, .seed = 0});
  ASSERT_TRUE(windows.ok());
  std::string joined;
  for (const TokenWindow& window : *windows) joined += tokenizer_.Decode(window);
  EXPECT_EQ(joined, line.substr(0, joined.size()));
  EXPECT_GT(joined.size(), 299'000U);
}

}  // namespace
}  // namespace dilemma
