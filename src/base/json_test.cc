#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/status.h"

namespace dilemma {
namespace {

using ::testing::HasSubstr;

TEST(JsonTest, ErrorsNameFileAndField) {
  const Json json = *ParseJson(R"({"a": [{"b": "x"}], "n": 1.5})", "x.json");
  const JsonField root(json, "x.json");
  const auto items = *root.Items("a");
  EXPECT_THAT(Message(items[0].Number("b").status()), HasSubstr("x.json: a[0].b: expected a number"));
  EXPECT_THAT(Message(root.String("c").status()), HasSubstr("'c' is missing"));
  EXPECT_FALSE(root.Integer("n").ok());
  EXPECT_DOUBLE_EQ(*root.Number("n"), 1.5);
}

TEST(JsonTest, BrokenTextSaysWhere) {
  EXPECT_THAT(ParseJson("{\n \"a\": [1,", "x.json").status().message(),
              HasSubstr("x.json: not valid JSON near line 2 (it ends too early, at byte 11 of 11)"));
  EXPECT_THAT(ParseJson("{\"a\": ]}", "x.json").status().message(), HasSubstr("line 1 (at byte 7 of 8)"));
}

TEST(FileTest, AtomicWriteLeavesNoPart) {
  const TempDir dir = *TempDir::Create("dilemma-test");
  ASSERT_TRUE(WriteJson(dir.path() / "a.json", Json{{"k", 1}}).ok());
  EXPECT_EQ((*ReadJson(dir.path() / "a.json"))["k"], 1);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  EXPECT_EQ(WriteFileAtomically(dir.path() / "no" / "b", "x").code(), absl::StatusCode::kNotFound);
}

TEST(FileTest, Sha256) {
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace dilemma
