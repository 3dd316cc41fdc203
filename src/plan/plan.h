// A plan: which server runs which units at which types, what that was predicted to cost, and where each shard
// is. Plain data with a JSON form (docs/formats.md); a server reads it without a solver.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/model.h"
#include "plan/explanation.h"
#include "plan/quality_check.h"

namespace dilemma {

enum class WireType { kF32, kF16 };  // of hidden states between servers
std::string_view Name(WireType wire);
absl::StatusOr<WireType> ParseWireType(std::string_view text);
int BytesPerValue(WireType wire);

// What the plan was made for.
struct Workload {
  int64_t context = 512;       // tokens of KV cache per user
  int users = 1;               // sequences that may be open at once
  int64_t prompt_tokens = 64;  // of a typical request
  int64_t output_tokens = 64;  // G of docs/formulation.md
  WireType wire = WireType::kF32;
};

// One run of consecutive units on one server, in order of execution.
struct PlanStage {
  std::string server;
  int first_unit = 0, last_unit = 0;  // inclusive
  std::vector<TypeMix> types;         // one a unit
  int64_t weight_bytes = 0, kv_bytes = 0, buffer_bytes = 0;
  double decode_s = 0;      // predicted, per token: compute and the stage's fixed cost
  double prefill_s = 0;     // predicted, for the whole prompt
  double hop_decode_s = 0;  // of the link into this stage
  double hop_prefill_s = 0;
  std::string shard;  // sha256 of the shard; empty until `quantize` wrote it
  int64_t shard_bytes = 0;
};

struct Prediction {
  double decode_s = 0;  // one token: compute of all stages, hops between them, and the token's way back
  double prefill_s =
      0;  // from the request leaving the user to the first token reaching the first server or the user
  double request_s = 0;  // the objective: entry + prefill + (G - 1) decode + exit
  double ring_s = 0;     // the token's way from last to first server
};

struct Plan {
  std::string model_name, model_path, model_sha256;
  std::string arch;
  std::string cluster;
  Workload workload;
  std::vector<PlanStage> stages;
  Prediction predicted;
  double loss = 0, loss_budget = 0;
  std::string loss_kind;  // "weight" or "measured"
  std::string method;     // solver or baseline that made it
  std::string status;     // optimal | feasible
  double bound_s = 0, gap = 0, solve_s = 0;
  std::vector<std::string> binding;   // limits that bind, as sentences
  Explanation explanation;            // empty where it was not asked for
  std::optional<QualityCheck> check;  // where the plan was measured
  int64_t fp32_bytes = 0;             // of the model's weights in 32-bit floats; 0 in plans that do not say

  TypeMix TypeOf(int unit) const;      // of the stage that has it
  std::vector<TypeMix> Types() const;  // of all units
  int64_t weight_bytes() const;        // of all stages
  int units() const { return stages.empty() ? 0 : stages.back().last_unit + 1; }
};

// Stages follow one another, have as many types as units, and name a server each.
absl::Status CheckShape(const Plan& plan, std::string_view source);
Json PlanToJson(const Plan& plan);
absl::StatusOr<Plan> PlanFromJson(const JsonField& json);
absl::StatusOr<Plan> ReadPlan(const std::filesystem::path& path);

}  // namespace dilemma
