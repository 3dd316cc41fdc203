// What each batch cost on its way through the ring, from the stamps it brings along.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/coordinator.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

// One thread at a time.
class BatchMeter {
 public:
  // `clock_offset_ns`: what each stage's clock shows beyond the first stage's.
  BatchMeter(std::vector<std::string> servers, std::vector<int64_t> clock_offset_ns)
      : servers_(std::move(servers)), clock_offset_ns_(std::move(clock_offset_ns)) {}

  // Every batch of the ring, in order. Without stamps of all stages the result has no stages.
  BatchStats Measure(const v1::TokensEvent& event);

 private:
  // When the token that this batch's earliest row goes on from left the last stage, its clock; 0: no such
  // row.
  int64_t CountRows(const v1::TokensEvent& event, BatchStats* stats) const;

  const std::vector<std::string> servers_;
  const std::vector<int64_t> clock_offset_ns_;
  std::map<uint64_t, int64_t> token_sent_ns_;  // of requests that decode
};

}  // namespace dilemma
