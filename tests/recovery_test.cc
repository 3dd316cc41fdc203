// A coordinator that outlives its servers, over real processes: what was asked is answered, with nothing lost
// and nothing twice.
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include "gmock/gmock.h"
#include "recovery/resilient_coordinator.h"
#include "simulator/emulator.h"
#include "tests/recovery_fixture.h"
#include "tests/three_servers.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

constexpr int64_t kTokens = 40;
constexpr int64_t kUntilTrouble = 5;

class RecoveryTest : public testing::Test {
 protected:
  static void TearDownTestSuite() { cut_.reset(); }

  void Start() {
    if (!cut_.has_value()) cut_.emplace(CutForTest({10, 20}, UniformTypes(32, "q4_0")));
    auto emulated = EmulateThreeServers(dir_.path());
    ASSERT_TRUE(emulated.ok()) << emulated.status();
    emulated_ = *std::move(emulated);
  }

  std::unique_ptr<ResilientCoordinator> Open(bool plan_again,
                                             const std::function<void(RecoveryOptions&)>& change = nullptr) {
    RecoveryOptions options;
    options.ring = QuickToNotice({});
    options.give_up_s = 60;
    if (plan_again) {
      PlanInputs in;
      in.model = cut_->model;
      in.cluster = emulated_->cluster();
      in.profile = MadeUpProfile(cut_->model, in.cluster);
      in.quality = MadeUpQuality(cut_->model);
      in.workload = cut_->plan.workload;
      options.inputs = in;
    }
    if (change) change(options);
    auto opened = ResilientCoordinator::Open(cut_->plan, emulated_->cluster(), cut_->shards(), options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  GenerateRequest Request() const {
    GenerateRequest request;
    request.prompt = cut_->Tokens("Once upon a time");
    request.max_tokens = kTokens;
    return request;
  }

  // Generates, with trouble from another thread after a few tokens; what was streamed must be the result.
  absl::StatusOr<GenerateResult> GenerateInTrouble(Coordinator& coordinator, const GenerateRequest& request,
                                                   const std::function<void()>& trouble) {
    std::vector<int32_t> streamed;
    std::thread worker;
    auto result = coordinator.Generate(request, [&](int32_t token) {
      streamed.push_back(token);
      if (streamed.size() == kUntilTrouble) worker = std::thread(trouble);
      return true;
    });
    if (worker.joinable()) worker.join();
    if (result.ok()) {
      EXPECT_EQ(streamed, result->tokens);
    }
    return result;
  }

  TempDir dir_ = *TempDir::Create("dilemma-recovery");
  inline static std::optional<CutModel> cut_;
  std::unique_ptr<EmulatedCluster> emulated_;
};

TEST_F(RecoveryTest, AServerThatIsBackAtOnceGoesOnUnderTheSamePlan) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto coordinator = Open(/*plan_again=*/false);
  ASSERT_NE(coordinator, nullptr);
  for (const double temperature : {0.0, 1.0}) {
    GenerateRequest request = Request();
    request.sampling.temperature = temperature;
    request.sampling.seed = 7;
    request.want_logits = WantLogits::kSampled;
    const auto undisturbed = coordinator->Generate(request);
    ASSERT_TRUE(undisturbed.ok()) << undisturbed.status();
    EXPECT_EQ(undisturbed->parts.size(), 1u);
    const auto result = GenerateInTrouble(*coordinator, request, [&] {
      EXPECT_TRUE(emulated_->Kill("b").ok());
      EXPECT_TRUE(emulated_->Restart("b").ok());
    });
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->tokens, undisturbed->tokens) << "temperature " << temperature;
    EXPECT_EQ(result->token_s.size() + 1, result->tokens.size());
    EXPECT_EQ(result->logits.size(), undisturbed->logits.size());
    EXPECT_GT(result->parts.size(), 1u);
    EXPECT_FALSE(result->replanned);
  }
}

TEST_F(RecoveryTest, ADeadServerIsPlannedAround) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto coordinator = Open(/*plan_again=*/true);
  ASSERT_NE(coordinator, nullptr);
  const auto undisturbed = coordinator->Generate(Request());
  ASSERT_TRUE(undisturbed.ok()) << undisturbed.status();
  const auto result =
      GenerateInTrouble(*coordinator, Request(), [&] { EXPECT_TRUE(emulated_->Kill("b").ok()); });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(static_cast<int64_t>(result->tokens.size()), kTokens);
  EXPECT_TRUE(result->replanned);
  ASSERT_GE(result->parts.size(), 2u);
  const auto plan = coordinator->FindPlan(result->parts.back().plan);
  ASSERT_TRUE(plan.has_value());
  for (const PlanStage& stage : plan->stages) EXPECT_NE(stage.server, "b");
  // What came after the loss is what the new plan says after what came before.
  GenerateRequest rest = Request();
  const int64_t before = result->parts.back().first_token;
  rest.prompt.insert(rest.prompt.end(), result->tokens.begin(), result->tokens.begin() + before);
  rest.max_tokens = kTokens - before;
  rest.sampling.drawn = before;
  const auto again = coordinator->Generate(rest);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->tokens, std::vector<int32_t>(result->tokens.begin() + before, result->tokens.end()));
  // It comes back, and is used again once nothing runs.
  ASSERT_TRUE(emulated_->Restart("b").ok());
  for (int i = 0; i < 300 && !coordinator->state().original; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(coordinator->state().original);
  const auto after = coordinator->Generate(Request());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->tokens, undisturbed->tokens);
  EXPECT_FALSE(after->replanned);
}

TEST_F(RecoveryTest, AStandByPlanCostsNoPlanningAndNoShipping) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  std::mutex mutex;
  std::vector<RecoveryEvent> events;
  const auto coordinator = Open(/*plan_again=*/true, [&](RecoveryOptions& options) {
    options.stand_by = true;
    options.on_event = [&](const RecoveryEvent& event) {
      const std::lock_guard lock(mutex);
      events.push_back(event);
    };
  });
  ASSERT_NE(coordinator, nullptr);
  ASSERT_TRUE(coordinator->WaitForStandBy(60));
  size_t prepared = 0;
  for (const RecoveryEvent& event : events) {
    EXPECT_EQ(event.kind, RecoveryEvent::Kind::kPrepared);
    EXPECT_THAT(event.text, testing::StartsWith("for the loss of"));
    ++prepared;
  }
  EXPECT_EQ(prepared, 3u);
  const auto files = [&] { return std::distance(std::filesystem::directory_iterator(cut_->shards()), {}); };
  const auto before = files();
  const auto result =
      GenerateInTrouble(*coordinator, Request(), [&] { EXPECT_TRUE(emulated_->Kill("b").ok()); });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(static_cast<int64_t>(result->tokens.size()), kTokens);
  EXPECT_TRUE(result->replanned);
  EXPECT_EQ(files(), before);  // no shard was written for it
}

TEST_F(RecoveryTest, AServerThatHangsIsNoticed) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto coordinator = Open(/*plan_again=*/true);
  ASSERT_NE(coordinator, nullptr);
  const auto result =
      GenerateInTrouble(*coordinator, Request(), [&] { EXPECT_TRUE(emulated_->Pause("c").ok()); });
  EXPECT_TRUE(emulated_->Resume("c").ok());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(static_cast<int64_t>(result->tokens.size()), kTokens);
  EXPECT_TRUE(result->replanned);
}

TEST_F(RecoveryTest, ACutLinkIsPlannedAround) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto coordinator = Open(/*plan_again=*/true);
  ASSERT_NE(coordinator, nullptr);
  const auto result = GenerateInTrouble(*coordinator, Request(), [&] {
    emulated_->Link("a", "b")->Cut();
    emulated_->Link("b", "a")->Cut();
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(static_cast<int64_t>(result->tokens.size()), kTokens);
  EXPECT_TRUE(result->replanned);
  const auto plan = coordinator->FindPlan(result->parts.back().plan);
  ASSERT_TRUE(plan.has_value());
  Outage outage;
  outage.links = {{"a", "b"}, {"b", "a"}};
  EXPECT_TRUE(outage.Spares(*plan));
}

TEST_F(RecoveryTest, WithoutAProfileItWaitsAndSaysWhy) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  RecoveryOptions options;
  options.ring = QuickToNotice({});
  options.give_up_s = 3;
  auto coordinator = ResilientCoordinator::Open(cut_->plan, emulated_->cluster(), cut_->shards(), options);
  ASSERT_TRUE(coordinator.ok()) << coordinator.status();
  const auto result =
      GenerateInTrouble(**coordinator, Request(), [&] { EXPECT_TRUE(emulated_->Kill("b").ok()); });
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("b cannot be reached"));
  ASSERT_TRUE(emulated_->Restart("b").ok());
  const auto again = (*coordinator)->Generate(Request());
  EXPECT_TRUE(again.ok()) << again.status();
}

}  // namespace
}  // namespace dilemma
