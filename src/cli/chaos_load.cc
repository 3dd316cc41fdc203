#include "cli/chaos_load.h"

#include <array>
#include <string_view>

#include "base/interrupt.h"
#include "runtime/machine.h"

namespace dilemma::cli {
namespace {

constexpr auto kQuestions = std::to_array<std::string_view>({
    "Why is the sky blue?",
    "Name the three largest rivers of Europe.",
    "Tell a short story about a lighthouse.",
    "What is a prime number?",
    "How does a bicycle stay upright?",
    "Write a haiku about rain.",
    "What is the capital of Australia, and why is it not Sydney?",
});
constexpr uint32_t kSampledEvery = 3;

}  // namespace

ChaosLoad::ChaosLoad(Coordinator* coordinator, const Tokenizer& tokenizer, int users, int64_t max_tokens)
    : coordinator_(coordinator), max_tokens_(max_tokens) {
  for (const std::string_view question : kQuestions) {
    const auto text = tokenizer.ApplyChatTemplate({{"user", std::string(question)}});
    prompts_.push_back(tokenizer.Encode(text.ok() ? *text : std::string(question), true, true));
  }
  for (int user = 0; user < users; ++user) users_.emplace_back([this, user] { Ask(user); });
}

void ChaosLoad::Ask(int user) {
  for (uint32_t i = static_cast<uint32_t>(user); !stop_ && !Interrupted(); ++i) {
    const uint32_t number = next_++;
    ChaosRequest asked;
    asked.request.prompt = prompts_[i % prompts_.size()];
    asked.request.max_tokens = max_tokens_;
    if (number % kSampledEvery == kSampledEvery - 1) {
      asked.request.sampling.temperature = 0.8;
      asked.request.sampling.top_p = 0.95;
      asked.request.sampling.seed = number % 5;
    }
    auto result = coordinator_->Generate(asked.request, [&](int32_t token) {
      asked.streamed.push_back(token);
      asked.arrived_ns.push_back(MonotonicNanos());
      return !Interrupted();
    });
    asked.status = result.status();
    if (result.ok()) asked.result = *std::move(result);
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(asked));
  }
}

void ChaosLoad::Finish() {
  stop_ = true;
  for (std::thread& user : users_) {
    if (user.joinable()) user.join();
  }
}

}  // namespace dilemma::cli
