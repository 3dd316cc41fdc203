// What a plan's loss was found to be on text, with the weights really quantized, and how the plan was
// repaired until it kept its budget. Plain data, kept in the plan file; measured by src/budget.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace dilemma {

// A mean with its 95 % confidence interval.
struct MeasuredMean {
  double mean = 0, low = 0, high = 0;
};

struct CheckRound {
  std::string how;      // "solved", or "swapped" (types of some units changed where they are)
  double budget = 0;    // on the estimate, which the problem had
  double estimate = 0;  // of the plan found: losses of its units, added
  double measured = 0;  // in the unit of the target
  double request_s = 0;
  bool kept = false;  // the plan is this one
};

struct QualityCheck {
  std::string text;  // what it was measured on: "dev-v1.1.json (test): 8 windows of 512 tokens"
  std::string unit;  // what the target limits: "kl" or "loss" (the text's negative log-likelihood, more than
                     // the teacher's), nats a token; empty where there is no target and nothing was repaired
  double target = 0;
  MeasuredMean kl;             // of the plan, nats a token over all positions
  double teacher_loss = 0;     // negative log-likelihood of the text, nats a token
  MeasuredMean loss_increase;  // of the plan's over the teacher's, as a share of it
  std::vector<CheckRound> rounds;
};

Json QualityCheckToJson(const QualityCheck& check);
absl::StatusOr<QualityCheck> QualityCheckFromJson(const JsonField& json);

}  // namespace dilemma
