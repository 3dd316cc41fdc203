// Picks the next token from logits, with libllama's samplers. One object per sequence; one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace dilemma {

struct SamplingOptions {
  double temperature = 0;  // 0: greedy
  double top_p = 1;
  int top_k = 0;  // 0: all
  uint32_t seed = 0;
  int64_t drawn = 0;  // tokens drawn with this seed before: the next one is as if all came from one object
};

class Sampler {
 public:
  static std::unique_ptr<Sampler> Create(const SamplingOptions& options);
  virtual ~Sampler() = default;
  virtual int32_t Sample(std::span<const float> logits) = 0;
};

}  // namespace dilemma
