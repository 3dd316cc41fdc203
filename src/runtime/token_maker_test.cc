#include "runtime/token_maker.h"

#include <limits>

#include "gtest/gtest.h"

namespace dilemma {
namespace {

constexpr int64_t kVocab = 4;

v1::BatchRun* AddRun(v1::Batch* batch, uint64_t request, uint32_t slot, uint32_t position, uint32_t rows,
                     bool sample) {
  v1::BatchRun* run = batch->add_runs();
  run->set_request(request);
  run->set_slot(slot);
  run->set_position(position);
  run->set_rows(rows);
  run->set_sample(sample);
  return run;
}

v1::RequestOptions Options(int64_t max_tokens, v1::Logits logits = v1::LOGITS_NONE) {
  v1::RequestOptions options;
  options.set_max_tokens(max_tokens);
  options.set_top_p(1);
  options.set_logits(logits);
  return options;
}

TokenMaker Maker(int64_t context = 16, bool all_logits = true) {
  return TokenMaker({.slots = 2, .context = context, .n_vocab = kVocab, .all_logits = all_logits});
}

// Begins request `id` in the slot with a prompt of one token, whose logits say `token`.
absl::StatusOr<MadeTokens> Begin(TokenMaker& maker, uint64_t id, uint32_t slot, int32_t token,
                                 const v1::RequestOptions& options) {
  v1::Batch batch;
  *AddRun(&batch, id, slot, 0, 1, true)->mutable_options() = options;
  std::vector<int8_t> want;
  const absl::Status prepared = maker.Prepare(batch, &want);
  if (!prepared.ok()) return prepared;
  std::vector<float> logits(kVocab, 0);
  logits[static_cast<size_t>(token)] = 1;
  return maker.Make(batch, want, logits);
}

TEST(TokenMakerTest, WantsTheRowsThatSampleAndThoseAskedFor) {
  TokenMaker maker = Maker();
  v1::Batch batch;
  *AddRun(&batch, 1, 0, 0, 3, true)->mutable_options() = Options(5);
  *AddRun(&batch, 2, 1, 0, 2, false)->mutable_options() = Options(5, v1::LOGITS_ALL);
  std::vector<int8_t> want;
  ASSERT_TRUE(maker.Prepare(batch, &want).ok());
  EXPECT_EQ(want, (std::vector<int8_t>{0, 0, 1, 1, 1}));
  const std::vector<float> logits = {0, 0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8};
  const auto made = maker.Make(batch, want, logits);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->tokens.size(), 1u);  // the second request's prompt goes on
  EXPECT_EQ(made->tokens[0].request(), 1u);
  EXPECT_EQ(made->tokens[0].token(), 2);
  ASSERT_EQ(made->logits.size(), 1u);
  EXPECT_EQ(made->logits[0].request(), 2u);
  EXPECT_EQ(made->logits[0].logits().size(), 2 * kVocab * sizeof(float));
  EXPECT_FALSE(maker.Make(batch, want, std::span(logits).first(8)).ok());
}

TEST(TokenMakerTest, EndsAtAnEndTokenAtTheLengthAndAtTheContext) {
  TokenMaker maker = Maker(16);
  maker.SetEndTokens({3});
  EXPECT_EQ(Begin(maker, 1, 0, 2, Options(2))->tokens[0].finish(), v1::FINISH_NOT);
  v1::Batch next;
  AddRun(&next, 1, 0, 1, 1, true);
  std::vector<int8_t> want;
  ASSERT_TRUE(maker.Prepare(next, &want).ok());
  const std::vector<float> logits = {0, 1, 0, 0};
  EXPECT_EQ(maker.Make(next, want, logits)->tokens[0].finish(), v1::FINISH_LENGTH);
  EXPECT_FALSE(maker.Prepare(next, &want).ok());  // it is over: its slot is free
  EXPECT_EQ(Begin(maker, 2, 0, 3, Options(9))->tokens[0].finish(), v1::FINISH_END);
  TokenMaker tight = Maker(1);
  EXPECT_EQ(Begin(tight, 3, 0, 2, Options(9))->tokens[0].finish(), v1::FINISH_LENGTH);
}

TEST(TokenMakerTest, ACancelledRequestIsToldAndFreesItsSlot) {
  TokenMaker maker = Maker();
  ASSERT_TRUE(Begin(maker, 1, 0, 2, Options(9)).ok());
  v1::Batch batch;
  v1::BatchRun* run = AddRun(&batch, 1, 0, 0, 0, false);
  run->set_cancel(true);
  std::vector<int8_t> want;
  ASSERT_TRUE(maker.Prepare(batch, &want).ok());
  EXPECT_TRUE(want.empty());
  const auto made = maker.Make(batch, want, {});
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->tokens.size(), 1u);
  EXPECT_EQ(made->tokens[0].finish(), v1::FINISH_CANCELLED);
  v1::Batch late;
  AddRun(&late, 1, 0, 1, 1, true);
  EXPECT_FALSE(maker.Prepare(late, &want).ok());
}

TEST(TokenMakerTest, RefusesSenselessOptionsAndForeignRows) {
  TokenMaker maker = Maker(16, false);
  const auto refused = [&](auto change) {
    v1::RequestOptions options = Options(5);
    change(options);
    return absl::IsInvalidArgument(Begin(maker, 1, 0, 0, options).status());
  };
  EXPECT_TRUE(refused([](auto& o) { o.set_max_tokens(0); }));
  EXPECT_TRUE(refused([](auto& o) { o.set_temperature(-1); }));
  EXPECT_TRUE(refused([](auto& o) { o.set_temperature(std::numeric_limits<double>::quiet_NaN()); }));
  EXPECT_TRUE(refused([](auto& o) { o.set_top_p(0); }));
  EXPECT_TRUE(refused([](auto& o) { o.set_top_k(-1); }));
  EXPECT_TRUE(refused([](auto& o) { o.set_logits(v1::LOGITS_ALL); }));
  EXPECT_FALSE(Begin(maker, 0, 0, 0, Options(5)).ok());
  ASSERT_TRUE(Begin(maker, 1, 0, 0, Options(5)).ok());
  v1::Batch foreign;
  AddRun(&foreign, 2, 0, 1, 1, true);
  std::vector<int8_t> want;
  EXPECT_TRUE(absl::IsInvalidArgument(maker.Prepare(foreign, &want)));
}

// Their greatest would be token 0, an end token with many tokenizers: a broken stage would look like an
// answer that is over.
TEST(TokenMakerTest, LogitsThatSayNothingAreAnErrorNotAToken) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& row : {std::vector<float>{kNan, kNan, kNan, kNan},
                                        {1, 2, kNan, 0},
                                        {0, 0, 0, 0},
                                        {-kInfinite, -kInfinite, -kInfinite, -kInfinite},
                                        {0, 1, kInfinite, 0}}) {
    for (const double temperature : {0.0, 0.8}) {
      TokenMaker maker = Maker();
      maker.SetEndTokens({0});
      v1::RequestOptions options = Options(5);
      options.set_temperature(temperature);
      v1::Batch batch;
      *AddRun(&batch, 1, 0, 0, 1, true)->mutable_options() = options;
      std::vector<int8_t> want;
      ASSERT_TRUE(maker.Prepare(batch, &want).ok());
      EXPECT_TRUE(absl::IsInternal(maker.Make(batch, want, row).status()));
    }
  }
}

}  // namespace
}  // namespace dilemma
