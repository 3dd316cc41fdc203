#include "gateway/admission.h"

#include <thread>
#include <vector>

#include "gmock/gmock.h"

namespace dilemma {
namespace {

using Ticket = std::shared_ptr<Admission::Ticket>;

// A request that waits in a thread of its own and tells when it got in.
class Waiting {
 public:
  Waiting(Admission* admission, const std::string& client, std::vector<std::string>* order, std::mutex* mutex)
      : thread_([=, this] {
          ticket_ = admission->Enter(client, nullptr);
          const std::lock_guard lock(*mutex);
          order->push_back(client);
        }) {}
  absl::StatusOr<Ticket> Join() {
    thread_.join();
    return std::move(ticket_);
  }

 private:
  absl::StatusOr<Ticket> ticket_ = absl::UnknownError("not yet");
  std::thread thread_;
};

void WaitUntil(const std::function<bool()>& done) {
  for (int i = 0; i < 5000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(done());
}

TEST(AdmissionTest, PastTheLimitItTurnsAway) {
  Admission admission({.slots = 1, .max_waiting = 0});
  auto first = admission.Enter("a", nullptr);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(admission.Enter("b", nullptr).status()));
  EXPECT_GE(admission.RetryAfterSeconds(), 1);
  first->reset();
  EXPECT_TRUE(admission.Enter("b", nullptr).ok());
}

TEST(AdmissionTest, ClientsTakeTurnsHoweverManyRequestsOneOfThemSends) {
  Admission admission({.slots = 1, .max_waiting = 10});
  auto held = admission.Enter("greedy", nullptr);
  ASSERT_TRUE(held.ok());
  std::mutex mutex;
  std::vector<std::string> order;
  std::vector<std::unique_ptr<Waiting>> waiting;
  for (const char* client : {"greedy", "greedy", "greedy", "modest"}) {
    waiting.push_back(std::make_unique<Waiting>(&admission, client, &order, &mutex));
    WaitUntil([&] { return admission.waiting() == static_cast<int>(waiting.size()); });
  }
  held->reset();
  const auto entered = [&] {
    const std::lock_guard lock(mutex);
    return order.size();
  };
  WaitUntil([&] { return entered() == 1; });
  EXPECT_EQ(order[0], "modest");
  EXPECT_EQ(admission.running(), 1);
  *waiting[3]->Join() = nullptr;  // gives its slot back
  for (size_t i = 0; i < 3; ++i) *waiting[i]->Join() = nullptr;
  EXPECT_THAT(order, ::testing::ElementsAre("modest", "greedy", "greedy", "greedy"));
  EXPECT_EQ(admission.running(), 0);
}

TEST(AdmissionTest, WhoeverLeavesTheQueueTakesNoSlot) {
  Admission admission({.slots = 1, .max_waiting = 1});
  auto first = admission.Enter("a", nullptr);
  EXPECT_TRUE(absl::IsCancelled(admission.Enter("b", [] { return false; }).status()));
  EXPECT_EQ(admission.waiting(), 0);
  first->reset();
  EXPECT_TRUE(admission.Enter("c", nullptr).ok());
}

TEST(AdmissionTest, ClosingEndsEveryWait) {
  Admission admission({.slots = 1, .max_waiting = 1});
  auto first = admission.Enter("a", nullptr);
  std::mutex mutex;
  std::vector<std::string> order;
  Waiting waiting(&admission, "b", &order, &mutex);
  WaitUntil([&] { return admission.waiting() == 1; });
  admission.Close();
  EXPECT_TRUE(absl::IsUnavailable(waiting.Join().status()));
  EXPECT_TRUE(absl::IsUnavailable(admission.Enter("c", nullptr).status()));
}

}  // namespace
}  // namespace dilemma
