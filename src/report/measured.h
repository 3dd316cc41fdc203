// What `dilemma run --json` printed about one request: the times to set beside a plan's prediction.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace dilemma {

// Medians over the decoded tokens, except prefill_compute_s: the sum over the prompt's passes.
struct MeasuredStage {
  std::string server;
  double decode_compute_s = 0;
  double decode_queue_s = 0;  // waiting inside the node
  double decode_wire_s = 0;   // the link into this stage; of the first stage: the token's way back
  double prefill_compute_s = 0;
};

struct MeasuredRun {
  double decode_s = 0;   // one token
  double prefill_s = 0;  // to the first token
  int64_t prompt_tokens = 0, output_tokens = 0;
  std::vector<MeasuredStage> stages;  // in order of execution; may be empty
};

// kInvalidArgument names the field that is missing or no number; kNotFound where there is no such file.
absl::StatusOr<MeasuredRun> MeasuredFromJson(const Json& json, std::string_view source);
absl::StatusOr<MeasuredRun> ReadMeasured(const std::filesystem::path& path);

}  // namespace dilemma
