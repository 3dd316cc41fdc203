#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "llama.h"

namespace dilemma {
namespace {

class GreedySampler : public Sampler {
 public:
  int32_t Sample(std::span<const float> logits) override {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
};

class RandomSampler : public Sampler {
 public:
  explicit RandomSampler(const SamplingOptions& options)
      : chain_(llama_sampler_chain_init(llama_sampler_chain_default_params())) {
    if (options.top_k > 0) llama_sampler_chain_add(chain_, llama_sampler_init_top_k(options.top_k));
    const float top_p = static_cast<float>(options.top_p);
    if (top_p < 1) llama_sampler_chain_add(chain_, llama_sampler_init_top_p(top_p, 1));
    llama_sampler_chain_add(chain_, llama_sampler_init_temp(static_cast<float>(options.temperature)));
    llama_sampler_chain_add(chain_, llama_sampler_init_dist(options.seed));
    const float one = 0;  // every token takes one random number, however many candidates there are
    for (int64_t i = 0; i < options.drawn; ++i) Sample({&one, 1});
  }
  ~RandomSampler() override { llama_sampler_free(chain_); }
  RandomSampler(const RandomSampler&) = delete;
  RandomSampler& operator=(const RandomSampler&) = delete;

  int32_t Sample(std::span<const float> logits) override {
    candidates_.resize(logits.size());
    for (size_t i = 0; i < logits.size(); ++i) {  // no NaN: libllama sorts
      candidates_[i] = {static_cast<int32_t>(i), std::isnan(logits[i]) ? -INFINITY : logits[i], 0};
    }
    llama_token_data_array array = {candidates_.data(), candidates_.size(), -1, false};
    llama_sampler_apply(chain_, &array);
    return array.data[array.selected >= 0 ? array.selected : 0].id;
  }

 private:
  llama_sampler* chain_;
  std::vector<llama_token_data> candidates_;
};

}  // namespace

std::unique_ptr<Sampler> Sampler::Create(const SamplingOptions& options) {
  if (!(options.temperature > 0)) return std::make_unique<GreedySampler>();
  return std::make_unique<RandomSampler>(options);
}

}  // namespace dilemma
