// One request over several rings: what is asked of the next one, and what all of them gave together.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/coordinator.h"

namespace dilemma {

// One thread at a time.
class Continuation {
 public:
  // Both are not owned and outlive the object. `start_ns`: of the call, on MonotonicNanos.
  Continuation(const GenerateRequest& request, const OnToken& on_token, int64_t start_ns)
      : request_(request), on_token_(on_token), start_ns_(start_ns), last_ns_(start_ns) {}

  // The rest of the request, for a ring of that plan. Its tokens come to OnToken.
  GenerateRequest Next(const std::string& plan, int64_t now_ns);
  bool Take(int32_t token);  // what the ring's on_token is to call

  // What a ring gave: to the end, or up to where it failed.
  void Add(GenerateResult part, bool to_the_end);
  bool stopped() const { return stopped_; }  // the caller wants no more

  GenerateResult Finish(const std::string& original_plan) &&;

 private:
  int64_t made() const { return static_cast<int64_t>(result_.tokens.size()); }
  void AddTimes(const GenerateResult& part);
  void AddLogits(const std::vector<float>& logits, int64_t n_vocab, bool to_the_end);

  const GenerateRequest& request_;
  const OnToken& on_token_;
  const int64_t start_ns_;
  GenerateResult result_;
  int64_t part_start_ns_ = 0, part_first_ = 0;  // when the part under way began, and with which token
  int64_t last_ns_;                             // arrival of the last token
  bool stopped_ = false;
};

}  // namespace dilemma
