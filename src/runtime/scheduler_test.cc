#include "runtime/scheduler.h"

#include <limits>
#include <map>

#include "gtest/gtest.h"

namespace dilemma {
namespace {

v1::SubmitRequest Request(uint64_t id, int tokens) {
  v1::SubmitRequest request;
  request.set_request(id);
  for (int i = 0; i < tokens; ++i) request.add_prompt(static_cast<int32_t>(100 * id) + i);
  request.mutable_options()->set_max_tokens(10);
  return request;
}

v1::BatchReturn Back(uint64_t batch, uint64_t request, int32_t token, v1::Finish finish = v1::FINISH_NOT) {
  v1::BatchReturn back;
  back.set_batch(batch);
  v1::SampledToken* sampled = back.add_tokens();
  sampled->set_request(request);
  sampled->set_token(token);
  sampled->set_finish(finish);
  return back;
}

v1::BatchReturn Back(uint64_t batch) {
  v1::BatchReturn back;
  back.set_batch(batch);
  return back;
}

constexpr SchedulerOptions kTwoSlots = {
    .slots = 2, .context = 64, .max_batch = 8, .prefill_chunk = 4, .prefill_window = 2};

TEST(SchedulerTest, APromptGoesInChunksAndTheLastOneSamples) {
  Scheduler scheduler(kTwoSlots);
  EXPECT_FALSE(scheduler.Ready());
  ASSERT_TRUE(scheduler.Submit(Request(1, 6), 5).ok());
  const ScheduledBatch first = scheduler.Next();
  ASSERT_EQ(first.batch.runs_size(), 1);
  EXPECT_EQ(first.batch.runs(0).rows(), 4u);
  EXPECT_FALSE(first.batch.runs(0).sample());
  EXPECT_TRUE(first.batch.runs(0).has_options());
  EXPECT_EQ(first.tokens, (std::vector<int32_t>{100, 101, 102, 103}));
  EXPECT_EQ(first.ready_ns, 5);
  const ScheduledBatch second = scheduler.Next();
  EXPECT_EQ(second.batch.runs(0).position(), 4u);
  EXPECT_EQ(second.batch.runs(0).rows(), 2u);
  EXPECT_TRUE(second.batch.runs(0).sample());
  EXPECT_FALSE(second.batch.runs(0).has_options());
  EXPECT_FALSE(scheduler.Ready());
  scheduler.Return(Back(1), 6);
  scheduler.Return(Back(2, 1, 42), 7);
  ASSERT_TRUE(scheduler.Ready());
  const ScheduledBatch decode = scheduler.Next();
  EXPECT_EQ(decode.tokens, std::vector<int32_t>{42});
  EXPECT_EQ(decode.batch.runs(0).position(), 6u);
  EXPECT_TRUE(decode.batch.runs(0).sample());
  EXPECT_EQ(decode.ready_ns, 7);
}

TEST(SchedulerTest, TokensOfAnAnswerGoOneByOneAsTheyWereMade) {
  Scheduler scheduler(kTwoSlots);
  v1::SubmitRequest request = Request(1, 8);
  request.mutable_options()->set_drawn(2);
  ASSERT_TRUE(scheduler.Submit(request, 0).ok());
  std::vector<uint32_t> rows;
  bool sampled = false;
  while (scheduler.Ready()) {
    const ScheduledBatch next = scheduler.Next();
    EXPECT_FALSE(sampled);
    rows.push_back(next.batch.runs(0).rows());
    sampled = next.batch.runs(0).sample();
    scheduler.Return(Back(next.batch.number()), 1);
  }
  EXPECT_EQ(rows, (std::vector<uint32_t>{4, 2, 1, 1}));
  EXPECT_TRUE(sampled);
}

TEST(SchedulerTest, TokensOfAnAnswerGoInChunksOfRowsThatComeOutAsTheyWouldAlone) {
  const std::map<int64_t, std::vector<uint32_t>> expected = {
      {0, {2, 1, 1, 1, 1, 1, 1, 1, 1, 1}}, {3, {2, 3, 3, 3}}, {1000, {2, 4, 4, 1}}};
  for (const auto& [alike, chunks] : expected) {
    Scheduler scheduler(kTwoSlots);
    scheduler.SetRowsAlike(alike);
    v1::SubmitRequest request = Request(1, 11);
    request.mutable_options()->set_drawn(9);
    ASSERT_TRUE(scheduler.Submit(request, 0).ok());
    std::vector<uint32_t> rows;
    while (scheduler.Ready()) {
      const ScheduledBatch next = scheduler.Next();
      rows.push_back(next.batch.runs(0).rows());
      EXPECT_EQ(next.batch.runs(0).sample(), rows.size() == chunks.size());
      scheduler.Return(Back(next.batch.number()), 1);
    }
    EXPECT_EQ(rows, chunks);
  }
}

TEST(SchedulerTest, AnswersThatGoOnComeBeforeNewPromptsAndTheShortestFirst) {
  SchedulerOptions options = kTwoSlots;
  options.slots = 3;
  options.prefill_window = 100;
  Scheduler scheduler(options);
  ASSERT_TRUE(scheduler.Submit(Request(1, 8), 0).ok());
  const auto go_on = [&](uint64_t id, int tokens) {
    v1::SubmitRequest request = Request(id, tokens);
    request.mutable_options()->set_drawn(3);
    ASSERT_TRUE(scheduler.Submit(request, 0).ok());
  };
  std::vector<uint64_t> rows;  // whose
  const auto next = [&] {
    const ScheduledBatch batch = scheduler.Next();
    rows.insert(rows.end(), batch.tokens.size(), batch.batch.runs(0).request());
  };
  go_on(2, 8);
  next();
  go_on(3, 3);  // fewer than the other has left
  while (scheduler.Ready()) next();
  EXPECT_EQ(rows, (std::vector<uint64_t>{2, 2, 2, 2, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST(SchedulerTest, MoreDrawnThanThePromptHasIsAllOfIt) {
  for (const int64_t drawn : {int64_t{100}, std::numeric_limits<int64_t>::max(), int64_t{-1},
                              std::numeric_limits<int64_t>::min()}) {
    Scheduler scheduler(kTwoSlots);
    v1::SubmitRequest request = Request(1, 3);
    request.mutable_options()->set_drawn(drawn);
    ASSERT_TRUE(scheduler.Submit(request, 0).ok());
    EXPECT_EQ(scheduler.Next().batch.runs(0).rows(), drawn > 0 ? 1u : 3u);
  }
}

TEST(SchedulerTest, AtMostAWindowOfPromptBatchesIsOnItsWay) {
  Scheduler scheduler(kTwoSlots);
  ASSERT_TRUE(scheduler.Submit(Request(1, 40), 0).ok());
  scheduler.Next();
  scheduler.Next();
  EXPECT_FALSE(scheduler.Ready());
  scheduler.Return(Back(1), 1);
  EXPECT_TRUE(scheduler.Ready());
}

TEST(SchedulerTest, DecodingAndAPromptTakeTurnsAndShareNoBatch) {
  Scheduler scheduler(
      {.slots = 3, .context = 64, .max_batch = 8, .prefill_chunk = 4, .prefill_window = 9, .groups = 9});
  for (uint64_t id = 1; id <= 2; ++id) ASSERT_TRUE(scheduler.Submit(Request(id, 2), 0).ok());
  for (uint64_t id = 1; id <= 2; ++id) scheduler.Next();
  for (uint64_t id = 1; id <= 2; ++id) scheduler.Return(Back(id, id, 7), static_cast<int64_t>(id));
  ASSERT_TRUE(scheduler.Submit(Request(3, 10), 2).ok());
  std::vector<uint64_t> turns;
  std::vector<size_t> rows;
  for (int i = 0; i < 6; ++i) {
    const ScheduledBatch next = scheduler.Next();
    ASSERT_EQ(next.batch.runs_size(), 1);
    turns.push_back(next.batch.runs(0).request());
    rows.push_back(next.tokens.size());
    if (turns.back() != 3) scheduler.Return(Back(next.batch.number(), turns.back(), 7), 3 + i);
  }
  // A stage that always has a token to go on with does not keep a prompt out, nor the prompt the tokens.
  EXPECT_EQ(turns, (std::vector<uint64_t>{1, 3, 2, 3, 1, 3}));
  EXPECT_EQ(rows, (std::vector<size_t>{1, 4, 1, 4, 1, 2}));
}

TEST(SchedulerTest, AShortPromptOvertakesALongOne) {
  Scheduler scheduler(kTwoSlots);
  ASSERT_TRUE(scheduler.Submit(Request(1, 40), 0).ok());
  EXPECT_EQ(scheduler.Next().batch.runs(0).request(), 1u);
  ASSERT_TRUE(scheduler.Submit(Request(2, 3), 0).ok());
  EXPECT_EQ(scheduler.Next().batch.runs(0).request(), 2u);
}

// All of them decode, and their tokens are back.
Scheduler Decoding(uint64_t users, int groups) {
  Scheduler scheduler({.slots = static_cast<int>(users),
                       .context = 64,
                       .max_batch = 64,
                       .prefill_chunk = 4,
                       .prefill_window = 100,
                       .groups = groups});
  for (uint64_t id = 1; id <= users; ++id) EXPECT_TRUE(scheduler.Submit(Request(id, 1), 0).ok());
  std::vector<uint64_t> batches;
  for (uint64_t id = 1; id <= users; ++id) batches.push_back(scheduler.Next().batch.number());
  for (uint64_t id = 1; id <= users; ++id) {
    scheduler.Return(Back(batches[id - 1], id, 5), static_cast<int64_t>(100 - id));
  }
  return scheduler;
}

TEST(SchedulerTest, UsersThatDecodeGoRoundInGroups) {
  Scheduler scheduler = Decoding(8, 3);
  std::vector<int> rows;
  while (scheduler.Ready()) rows.push_back(scheduler.Next().batch.runs_size());
  EXPECT_EQ(rows, (std::vector<int>{3, 3, 2}));
}

TEST(SchedulerTest, NoMoreGroupsThanAreAskedForAreOnTheirWay) {
  Scheduler scheduler = Decoding(8, 2);
  const uint64_t first = scheduler.Next().batch.number();
  scheduler.Next();
  scheduler.Return(Back(first, 8, 6), 200);  // one of the group's four; the others are still to be told
  ASSERT_TRUE(scheduler.Ready());
  EXPECT_EQ(scheduler.Next().batch.runs_size(), 1);
  EXPECT_FALSE(scheduler.Ready());
}

TEST(SchedulerTest, WhoseTokenCameBackFirstGoesFirst) {
  Scheduler scheduler = Decoding(4, 2);  // the last one's token came first
  const ScheduledBatch batch = scheduler.Next();
  ASSERT_EQ(batch.batch.runs_size(), 2);
  EXPECT_EQ(batch.batch.runs(0).request(), 4u);
  EXPECT_EQ(batch.batch.runs(1).request(), 3u);
}

TEST(SchedulerTest, ALongPromptGetsItsTurnHoweverManyShortOnesCome) {
  Scheduler scheduler(kTwoSlots);
  ASSERT_TRUE(scheduler.Submit(Request(1, 40), 0).ok());
  int turns = 0;
  for (uint64_t id = 2; id < 12; ++id) {
    ASSERT_TRUE(scheduler.Submit(Request(id, 4), 0).ok());
    for (int i = 0; i < 2; ++i) {
      const ScheduledBatch batch = scheduler.Next();
      const uint64_t request = batch.batch.runs(0).request();
      turns += request == 1 ? 1 : 0;
      scheduler.Return(
          request == 1 ? Back(batch.batch.number()) : Back(batch.batch.number(), id, 0, v1::FINISH_END), 1);
    }
  }
  EXPECT_GE(turns, 9);  // the whole of it
}

TEST(SchedulerTest, RequestsBeyondTheSlotsWaitForOne) {
  Scheduler scheduler(kTwoSlots);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(scheduler.Submit(Request(id, 1), 0).ok());
  const ScheduledBatch one = scheduler.Next(), two = scheduler.Next();
  EXPECT_EQ(one.batch.runs(0).request(), 1u);
  EXPECT_EQ(two.batch.runs(0).request(), 2u);
  EXPECT_FALSE(scheduler.Ready());
  scheduler.Return(Back(1, 1, 0, v1::FINISH_END), 3);
  const ScheduledBatch three = scheduler.Next();
  EXPECT_EQ(three.batch.runs(0).request(), 3u);
  EXPECT_EQ(three.batch.runs(0).slot(), one.batch.runs(0).slot());
}

TEST(SchedulerTest, ACancelledRequestIsToldOnceAndGivesUpItsSlot) {
  Scheduler scheduler(kTwoSlots);
  ASSERT_TRUE(scheduler.Submit(Request(1, 1), 0).ok());
  scheduler.Next();
  scheduler.Cancel(1, 4);
  scheduler.Cancel(1, 5);
  scheduler.Cancel(99, 5);
  const ScheduledBatch told = scheduler.Next();
  ASSERT_EQ(told.batch.runs_size(), 1);
  EXPECT_TRUE(told.batch.runs(0).cancel());
  EXPECT_EQ(told.batch.runs(0).request(), 1u);
  EXPECT_TRUE(told.tokens.empty());
  scheduler.Return(Back(1, 1, 8), 6);  // was on its way
  EXPECT_FALSE(scheduler.Ready());
}

TEST(SchedulerTest, RefusesWhatCannotRun) {
  Scheduler scheduler(kTwoSlots);
  EXPECT_TRUE(absl::IsInvalidArgument(scheduler.Submit(Request(1, 0), 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(scheduler.Submit(Request(1, 65), 0)));
  EXPECT_TRUE(scheduler.Submit(Request(1, 64), 0).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(scheduler.Submit(Request(1, 3), 0)));
}

TEST(SchedulerTest, WhatWaitsIsBoundedByItsTokens) {
  constexpr int kLong = 1 << 20;
  Scheduler scheduler({.slots = 1, .context = kLong, .max_batch = 8, .prefill_chunk = 4});
  for (uint64_t id = 1; id <= 5; ++id) ASSERT_TRUE(scheduler.Submit(Request(id, kLong), 0).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(scheduler.Submit(Request(6, 1), 0)));
  scheduler.Cancel(3, 0);  // waits
  EXPECT_TRUE(scheduler.Submit(Request(6, kLong), 0).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(scheduler.Submit(Request(7, 1), 0)));
  scheduler.Cancel(1, 0);  // runs: another one that waits takes its slot
  EXPECT_TRUE(scheduler.Submit(Request(7, kLong), 0).ok());
}

}  // namespace
}  // namespace dilemma
