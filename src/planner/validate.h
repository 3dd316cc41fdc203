// What an assignment costs and whether it keeps every limit, computed from scratch: shares no code with any
// solver. Every assignment that leaves the planner has passed here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planner/problem.h"

namespace dilemma {

enum class LimitKind { kShape, kMenu, kAllowed, kMemory, kDisk, kBusy, kLoss, kSize, kMaxServers, kOneBlock };
std::string_view Name(LimitKind kind);

struct Violation {
  LimitKind kind;
  int server = -1, unit = -1;  // where it applies
  double amount = 0;           // by how much, in the limit's own unit (bytes, seconds, loss, count)
  std::string text;            // a sentence
};

struct StageUse {
  int server = 0, first_unit = 0, last_unit = 0;
  double decode_s = 0, prefill_s = 0;          // compute and the stage's fixed cost
  double hop_decode_s = 0, hop_prefill_s = 0;  // the link into this stage; 0 for the first
  int64_t weight_bytes = 0, fixed_bytes = 0, stage_bytes = 0;
};

struct ServerUse {
  int64_t memory_bytes = 0;  // weights, fixed and stage bytes
  int64_t disk_bytes = 0;
  double busy_s = 0;          // per decoded token
  double busy_request_s = 0;  // per request
  int stages = 0;
};

struct Evaluation {
  std::vector<Violation> violations;
  // The rest is meaningful where no violation is of kShape, kMenu or kAllowed.
  std::vector<StageUse> stages;
  std::vector<ServerUse> servers;  // [n]
  double objective_s = 0;          // of problem.objective, move_s included
  double request_s = 0;            // prefill_s + decode_steps * decode_s
  double decode_s = 0;             // a token: compute, hops, ring
  double prefill_s = 0;            // entry, the prompt's pass, exit: time to the first token at the user
  double ring_s = 0;               // part of decode_s
  double move_s = 0;
  double loss = 0;
  int64_t weight_bytes = 0;  // of all units
  bool ok() const { return violations.empty(); }
  std::string Text() const;  // the violations as one sentence each, joined
};

// Loss and times are compared with a relative tolerance of 1e-9; bytes exactly.
Evaluation Evaluate(const Problem& problem, const Assignment& assignment);

}  // namespace dilemma
