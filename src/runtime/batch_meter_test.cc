#include "runtime/batch_meter.h"

#include "gtest/gtest.h"

namespace dilemma {
namespace {

constexpr int64_t kMs = 1'000'000;

void AddStamp(v1::TokensEvent* event, std::vector<int64_t> ms, int64_t bytes) {
  v1::StageStamp* stamp = event->add_stamps();
  stamp->set_received_ns(ms[0] * kMs);
  stamp->set_started_ns(ms[1] * kMs);
  stamp->set_computed_ns(ms[2] * kMs);
  stamp->set_sent_ns(ms[3] * kMs);
  stamp->set_sent_bytes(bytes);
}

void AddRun(v1::TokensEvent* event, uint64_t request, uint32_t rows) {
  v1::BatchRun* run = event->add_runs();
  run->set_request(request);
  run->set_rows(rows);
  run->set_cancel(rows == 0);
}

void AddToken(v1::TokensEvent* event, uint64_t request, v1::Finish finish) {
  v1::SampledToken* token = event->add_tokens();
  token->set_request(request);
  token->set_finish(finish);
}

TEST(BatchMeterTest, RowsTimesAndBytesOfTwoStagesWhoseClocksDiffer) {
  BatchMeter meter({"a", "b"}, {0, 1000 * kMs});  // b's clock is a second ahead
  v1::TokensEvent prompt;
  AddRun(&prompt, 1, 8);
  AddToken(&prompt, 1, v1::FINISH_NOT);
  AddStamp(&prompt, {0, 1, 20, 21}, 100);
  AddStamp(&prompt, {1026, 1026, 1056, 1057}, 9);
  const BatchStats first = meter.Measure(prompt);
  EXPECT_EQ(first.prompt_rows, 8);
  EXPECT_EQ(first.decode_rows, 0);
  EXPECT_EQ(first.tokens, 1);
  ASSERT_EQ(first.stages.size(), 2u);
  EXPECT_EQ(first.stages[0].wire_s, 0);  // nothing came back yet
  EXPECT_NEAR(first.stages[0].queue_s, 2e-3, 1e-9);
  EXPECT_NEAR(first.stages[1].wire_s, 5e-3, 1e-9);
  EXPECT_EQ(first.stages[0].sent_bytes, 100);

  v1::TokensEvent decode;
  AddRun(&decode, 1, 1);
  AddRun(&decode, 2, 4);  // a prompt of another request comes along
  AddToken(&decode, 1, v1::FINISH_LENGTH);
  AddStamp(&decode, {60, 61, 64, 66}, 40);  // b sent the token at 57: 3 ms on the way
  AddStamp(&decode, {1071, 1071, 1078, 1078}, 9);
  const BatchStats second = meter.Measure(decode);
  EXPECT_EQ(second.decode_rows, 1);
  EXPECT_EQ(second.prompt_rows, 4);
  EXPECT_NEAR(second.stages[0].wire_s, 3e-3, 1e-9);
  EXPECT_NEAR(second.stages[0].compute_s, 3e-3, 1e-9);

  v1::TokensEvent again;  // request 1 is over: its number would be a new prompt's
  AddRun(&again, 1, 2);
  EXPECT_EQ(meter.Measure(again).prompt_rows, 2);
}

}  // namespace
}  // namespace dilemma
