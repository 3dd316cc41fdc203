// A chain of nodes over gRPC computes what the whole model does, bit for bit.
#include <cmath>
#include <thread>

#include "gmock/gmock.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

constexpr int64_t kDecoded = 64;
constexpr std::string_view kPrompt =
    "The three largest rivers of Europe are the Volga, the Danube and the Ural. The largest lake is";

class RingTest : public testing::TestWithParam<int> {};

TEST_P(RingTest, EqualsTheWholeModel) {
  NEEDS_MODEL();
  const int stages = GetParam();
  std::mt19937 random(static_cast<unsigned>(7 + stages));
  const auto units = static_cast<int>(ReadModel(TestModelPath())->units.size());
  const std::vector<int> cuts = RandomCuts(stages, units, random);
  CutModel cut = CutForTest(cuts, RandomTypes(static_cast<size_t>(units), random));
  LocalNodes nodes(static_cast<size_t>(stages));
  const std::vector<int32_t> prompt = cut.Tokens(kPrompt);
  for (const int64_t chunk : {int64_t{64}, int64_t{7}}) {
    CoordinatorOptions options;
    options.prefill_chunk = chunk;
    options.all_logits = true;
    auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards(), options);
    ASSERT_TRUE(ring.ok()) << ring.status();
    const int64_t decoded = chunk == 64 ? kDecoded : 2;
    GenerateRequest request;
    request.prompt = prompt;
    request.max_tokens = decoded + 1;
    request.want_logits = WantLogits::kAll;
    const Reference whole = RunWhole(cut, prompt, decoded + 1, chunk);
    const auto result = (*ring)->Generate(request);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->tokens, whole.tokens);
    EXPECT_EQ(cut.tokenizer->Decode(result->tokens), cut.tokenizer->Decode(whole.tokens));
    ASSERT_EQ(result->logits.size(), whole.logits.size());
    ASSERT_EQ(result->logits.size(),
              (prompt.size() + static_cast<size_t>(decoded)) * static_cast<size_t>(result->n_vocab));
    EXPECT_TRUE(result->logits == whole.logits)
        << "in chunks of " << chunk << ", cuts " << testing::PrintToString(cuts);
    EXPECT_EQ(result->stages.size(), static_cast<size_t>(stages));
    for (const StageTimes& times : result->stages) EXPECT_GT(times.decode_compute_s, 0) << times.server;
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, RingTest, testing::Range(1, 7));

TEST(RingUseTest, GenerationsAfterOneAnotherAreIndependent) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20});
  LocalNodes nodes(3);
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = cut.Tokens(kPrompt);
  request.max_tokens = 20;
  const auto first = (*ring)->Generate(request);
  request.prompt = cut.Tokens("Once upon a time");
  const auto other = (*ring)->Generate(request);
  request.prompt = cut.Tokens(kPrompt);
  const auto again = (*ring)->Generate(request);
  ASSERT_TRUE(first.ok() && other.ok() && again.ok()) << first.status() << other.status() << again.status();
  EXPECT_EQ(first->tokens, again->tokens);
  EXPECT_NE(first->tokens, other->tokens);
  EXPECT_EQ(first->token_s.size(), 19u);
  EXPECT_EQ(first->finish, FinishReason::kLength);
}

TEST(RingUseTest, StopsAtAnEndToken) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({15});
  LocalNodes nodes(2);
  const std::vector<int32_t> prompt = cut.Tokens(kPrompt);
  const Reference whole = RunWhole(cut, prompt, 12, 64);
  const int32_t end = whole.tokens[7];
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), end);
  CoordinatorOptions options;
  options.end_tokens = {end};
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards(), options);
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = prompt;
  request.max_tokens = 50;
  const auto result = (*ring)->Generate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish, FinishReason::kEnd);
  EXPECT_EQ(result->tokens, std::vector<int32_t>(whole.tokens.begin(), first));
}

TEST(RingUseTest, ManyRequestsShareTheSlots) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20});
  cut.plan.workload.users = 3;
  LocalNodes nodes(3);
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  std::vector<absl::StatusOr<GenerateResult>> results(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      GenerateRequest request;
      request.prompt = cut.Tokens(fmt::format("{} and then {}", kPrompt, i));
      request.max_tokens = 10 + static_cast<int64_t>(i);
      results[i] = (*ring)->Generate(request);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i].ok()) << results[i].status();
    EXPECT_EQ(results[i]->tokens.size(), 10 + i);
  }
}

TEST(RingUseTest, ACallerCanStop) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10});
  LocalNodes nodes(2);
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = cut.Tokens(kPrompt);
  request.max_tokens = 100;
  int seen = 0;
  const auto stopped = (*ring)->Generate(request, [&](int32_t) { return ++seen < 5; });
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  EXPECT_EQ(seen, 5);
  request.max_tokens = 3;
  EXPECT_TRUE((*ring)->Generate(request).ok());
}

TEST(RingUseTest, OneServerMayHoldSeveralStages) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({8, 16, 24});
  cut.plan.stages[2].server = "a";
  cut.plan.stages[3].server = "a";
  LocalNodes nodes(2);
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = cut.Tokens(kPrompt);
  request.max_tokens = 16;
  const auto result = (*ring)->Generate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, RunWhole(cut, request.prompt, 16, 64).tokens);
}

// Mean KL divergence, in nats, of the rows of logits.
double Divergence(const std::vector<float>& p, const std::vector<float>& q, size_t n_vocab) {
  double total = 0;
  const auto log_sum = [](std::span<const float> row) {
    const double top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float x : row) sum += std::exp(x - top);
    return top + std::log(sum);
  };
  for (size_t at = 0; at < p.size(); at += n_vocab) {
    const std::span<const float> a(p.data() + at, n_vocab), b(q.data() + at, n_vocab);
    const double za = log_sum(a), zb = log_sum(b);
    for (size_t i = 0; i < n_vocab; ++i) total += std::exp(a[i] - za) * ((a[i] - za) - (b[i] - zb));
  }
  return total / static_cast<double>(p.size() / n_vocab);
}

TEST(RingUseTest, HalfPrecisionOnTheWireChangesLittle) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20});
  cut.plan.workload.wire = WireType::kF16;
  LocalNodes nodes(3);
  CoordinatorOptions options;
  options.all_logits = true;
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards(), options);
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = cut.Tokens(kPrompt);
  request.max_tokens = 1;
  request.want_logits = WantLogits::kAll;
  const auto result = (*ring)->Generate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  const Reference whole = RunWhole(cut, request.prompt, 1, 64);
  const double loss = Divergence(whole.logits, result->logits, static_cast<size_t>(result->n_vocab));
  RecordProperty("kl_nats", std::to_string(loss));
  EXPECT_GT(loss, 0);
  EXPECT_LT(loss, 0.01);
}

TEST(RingUseTest, RefusesWhatCannotBe) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10});
  LocalNodes nodes(2);
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  EXPECT_TRUE(absl::IsInvalidArgument((*ring)->Generate(request).status()));  // no prompt
  request.prompt = {-1};
  EXPECT_TRUE(absl::IsInvalidArgument((*ring)->Generate(request).status()));
  request.prompt.assign(300, 5);
  EXPECT_TRUE(absl::IsInvalidArgument((*ring)->Generate(request).status()));
  request.prompt = {5};
  request.sampling.temperature = -1;
  EXPECT_TRUE(absl::IsInvalidArgument((*ring)->Generate(request).status()));
  request.sampling.temperature = 0;
  request.max_tokens = 2;
  EXPECT_TRUE((*ring)->Generate(request).ok());
  request.prompt.assign(256, 5);  // the context is full after the prompt: one token can still be told
  request.max_tokens = 10;
  const auto full = (*ring)->Generate(request);
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->tokens.size(), 1u);
}

}  // namespace
}  // namespace dilemma
