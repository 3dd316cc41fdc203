#include "cli/chaos_spans.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma::cli {
namespace {

using testing::HasSubstr;

GenerateResult Answer(std::vector<int32_t> tokens, FinishReason finish,
                      std::vector<GeneratedPart> parts = {}) {
  GenerateResult result;
  result.tokens = std::move(tokens);
  result.finish = finish;
  result.parts = std::move(parts);
  return result;
}

TEST(ChaosSpans, PartsOnOnePlanAreOne) {
  const auto spans =
      SpansOf(Answer({1, 2, 3, 4, 5}, FinishReason::kLength, {{"a", 0}, {"a", 2}, {"b", 3}, {"a", 4}}));
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans[0].end, 3U);
  EXPECT_EQ(spans[1].begin, 3U);
  EXPECT_EQ(spans[2].end, 5U);
  EXPECT_FALSE(spans[1].last);
  EXPECT_TRUE(spans[2].last);
}

// The other plan ends the answer at once: the first one, which would have gone on, did not.
TEST(ChaosSpans, APlanMayHaveOnlyTheEndToSay) {
  const auto got = Answer({1, 2}, FinishReason::kEnd, {{"a", 0}, {"b", 2}});
  const auto spans = SpansOf(got);
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(Difference(got, spans[0], Answer({1, 2, 3, 4}, FinishReason::kLength)), "");
  EXPECT_EQ(Difference(got, spans[1], Answer({}, FinishReason::kEnd)), "");
  EXPECT_THAT(Difference(got, spans[1], Answer({3, 4}, FinishReason::kLength)),
              HasSubstr("0 tokens of plan b, then an end, where an undisturbed run gives 2, then the limit"));
}

TEST(ChaosSpans, WhatIsWrongIsSaid) {
  const auto got = Answer({1, 2, 3}, FinishReason::kEnd, {{"a", 0}, {"b", 2}});
  const auto spans = SpansOf(got);
  EXPECT_THAT(Difference(got, spans[0], Answer({1, 7, 3}, FinishReason::kEnd)), HasSubstr("token 1 of 3"));
  EXPECT_THAT(Difference(got, spans[0], Answer({1}, FinishReason::kEnd)), HasSubstr("then another plan"));
  EXPECT_EQ(Difference(got, spans[1], Answer({3}, FinishReason::kEnd)), "");
  EXPECT_NE(Difference(got, spans[1], Answer({3}, FinishReason::kLength)), "");
  EXPECT_NE(Difference(got, spans[1], Answer({3, 4}, FinishReason::kEnd)), "");
}

}  // namespace
}  // namespace dilemma::cli
