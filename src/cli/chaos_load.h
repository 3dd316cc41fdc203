// Users who never stop asking, and what each of them saw.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "engine/tokenizer.h"
#include "runtime/coordinator.h"

namespace dilemma::cli {

struct ChaosRequest {
  GenerateRequest request;
  std::vector<int32_t> streamed;    // as the user got them
  std::vector<int64_t> arrived_ns;  // when
  absl::Status status;
  GenerateResult result;  // where status is OK
};

// Every user asks one question after the other; every third one with sampling, the others greedily.
class ChaosLoad {
 public:
  ChaosLoad(Coordinator* coordinator, const Tokenizer& tokenizer, int users, int64_t max_tokens);
  ~ChaosLoad() { Finish(); }
  // Lets the requests under way end, and asks no more.
  void Finish();
  // After Finish.
  const std::vector<ChaosRequest>& requests() const { return requests_; }

 private:
  void Ask(int user);

  Coordinator* const coordinator_;
  const int64_t max_tokens_;
  std::vector<std::vector<int32_t>> prompts_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint32_t> next_ = 0;
  std::mutex mutex_;
  std::vector<ChaosRequest> requests_;  // guarded by mutex_
  std::vector<std::thread> users_;
};

}  // namespace dilemma::cli
