#include "runtime/stage_times.h"

#include "gtest/gtest.h"

namespace dilemma {
namespace {

constexpr int64_t kMs = 1'000'000;

void AddStamp(v1::TokensEvent* event, int64_t received_ms, int64_t started_ms, int64_t computed_ms,
              int64_t sent_ms) {
  v1::StageStamp* stamp = event->add_stamps();
  stamp->set_received_ns(received_ms * kMs);
  stamp->set_started_ns(started_ms * kMs);
  stamp->set_computed_ns(computed_ms * kMs);
  stamp->set_sent_ns(sent_ms * kMs);
}

v1::BatchRun BatchOf(uint32_t position, uint32_t rows, bool sample) {
  v1::BatchRun run;
  run.set_position(position);
  run.set_rows(rows);
  run.set_sample(sample);
  return run;
}

TEST(StageTimesTest, ComputeQueueAndWireOfTwoStagesWhoseClocksDiffer) {
  StageTimeKeeper keeper({"a", "b"}, {0, 1000 * kMs}, 8);  // b's clock is a second ahead
  v1::TokensEvent prompt;
  AddStamp(&prompt, 0, 0, 20, 21);
  AddStamp(&prompt, 1026, 1026, 1056, 1057);
  keeper.Add(prompt, BatchOf(0, 8, true));
  v1::TokensEvent decode;
  AddStamp(&decode, 60, 61, 64, 66);          // b sent the token at 57: 3 ms on the way
  AddStamp(&decode, 1071, 1071, 1078, 1078);  // a sent at 66: 5 ms
  keeper.Add(decode, BatchOf(8, 1, true));
  const auto times = keeper.Summary();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].server, "a");
  EXPECT_NEAR(times[0].decode_compute_s, 3e-3, 1e-9);
  EXPECT_NEAR(times[0].decode_queue_s, 3e-3, 1e-9);
  EXPECT_NEAR(times[0].decode_wire_s, 3e-3, 1e-9);
  EXPECT_NEAR(times[0].prefill_compute_s, 20e-3, 1e-9);
  EXPECT_NEAR(times[1].decode_compute_s, 7e-3, 1e-9);
  EXPECT_NEAR(times[1].decode_queue_s, 0, 1e-9);
  EXPECT_NEAR(times[1].decode_wire_s, 5e-3, 1e-9);
  EXPECT_NEAR(times[1].prefill_compute_s, 30e-3, 1e-9);
}

TEST(StageTimesTest, ChunksOfThePromptAddUpAndBadEventsCountNothing) {
  StageTimeKeeper keeper({"a"}, {0}, 8);
  v1::TokensEvent chunk;
  AddStamp(&chunk, 0, 0, 10, 10);
  keeper.Add(chunk, BatchOf(0, 4, false));
  keeper.Add(chunk, BatchOf(4, 4, true));
  keeper.Add(v1::TokensEvent(), BatchOf(8, 1, true));  // no stamps
  EXPECT_NEAR(keeper.Summary()[0].prefill_compute_s, 20e-3, 1e-9);
  EXPECT_EQ(keeper.Summary()[0].decode_compute_s, 0);
}

}  // namespace
}  // namespace dilemma
