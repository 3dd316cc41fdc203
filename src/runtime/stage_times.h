// Where the time of a request went, from the stamps that its batches bring along.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/coordinator.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

// Of one request. One thread at a time.
class StageTimeKeeper {
 public:
  // `clock_offset_ns`: what each stage's clock shows beyond the first stage's.
  StageTimeKeeper(std::vector<std::string> servers, std::vector<int64_t> clock_offset_ns,
                  int64_t prompt_tokens);

  // A batch that held rows of the request, in the order of its batches.
  void Add(const v1::TokensEvent& event, const v1::BatchRun& run);
  std::vector<StageTimes> Summary() const;

 private:
  struct Samples {
    std::vector<double> compute_s, queue_s, wire_s;
    double prefill_compute_s = 0;
  };
  const std::vector<std::string> servers_;
  const std::vector<int64_t> clock_offset_ns_;
  const int64_t prompt_tokens_;
  int64_t token_sent_ns_ = 0;  // by the last stage, its clock; 0: none yet
  std::vector<Samples> samples_;
};

}  // namespace dilemma
