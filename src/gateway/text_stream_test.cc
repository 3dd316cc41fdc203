#include "gateway/text_stream.h"

#include "gtest/gtest.h"

namespace dilemma {
namespace {

TEST(TextStreamTest, ACharacterThatIsSplitOverTokensComesWhole) {
  TextStream text({});
  EXPECT_EQ(text.Push("caf\xC3"), "caf");
  EXPECT_EQ(text.Push("\xA9 \xF0\x9F"), "\xC3\xA9 ");
  EXPECT_EQ(text.Push("\x98"), "");
  EXPECT_EQ(text.Push("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(text.Finish(), "");
}

TEST(TextStreamTest, BytesThatAreNoCharacterDoNotHoldUpTheRest) {
  TextStream text({});
  EXPECT_EQ(text.Push("\xFF\x80x"), "\xFF\x80x");
  EXPECT_EQ(text.Push("\xC3"), "");
  EXPECT_EQ(text.Finish(), "\xC3");
}

TEST(TextStreamTest, AStopStringThatIsSplitOverTokensIsNeverSeen) {
  TextStream text({"END", "\n\n"});
  EXPECT_EQ(text.Push("one E"), "one ");
  EXPECT_EQ(text.Push("N"), "");
  EXPECT_EQ(text.Push("O\n"), "ENO");
  EXPECT_EQ(text.Push("tw"), "\ntw");
  EXPECT_EQ(text.Push("o E"), "o ");
  EXPECT_EQ(text.Push("ND more"), "");
  EXPECT_TRUE(text.stopped());
  EXPECT_EQ(text.Push("x"), "");
  EXPECT_EQ(text.Finish(), "");
  EXPECT_EQ(text.sent_bytes(), std::string("one ENO\ntwo ").size());
}

TEST(TextStreamTest, TheEarliestStopCuts) {
  TextStream text({"late", "early"});
  EXPECT_EQ(text.Push("an early and a late one"), "an ");
  EXPECT_TRUE(text.stopped());
}

TEST(TextStreamTest, WhatWasHeldBackComesAtTheEnd) {
  TextStream text({"stop"});
  EXPECT_EQ(text.Push("do not sto"), "do not ");
  EXPECT_EQ(text.Finish(), "sto");
  EXPECT_FALSE(text.stopped());
}

}  // namespace
}  // namespace dilemma
