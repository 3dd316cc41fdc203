// A plan that runs on a cluster, for evaluation: the same measurements as of a file, over the servers.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "evaluation/language_model.h"
#include "runtime/coordinator.h"

namespace dilemma {

struct PlanModelOptions {
  int64_t context = 512;  // the plan's
  int64_t n_vocab = 0;    // the model's
  int users = 1;          // the plan's: so many queries are worked on at once
};

// The coordinator must have been opened with all_logits and with the end tokens of generations. Logits of
// every position cross the network (n_vocab x 4 bytes each).
std::unique_ptr<LanguageModel> MakePlanModel(std::unique_ptr<Coordinator> coordinator,
                                             const PlanModelOptions& options);

}  // namespace dilemma
