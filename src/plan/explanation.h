// Why a plan is as it is: what each limit is worth and why servers are left out. Plain data, kept in the plan
// file, found by solving the problem again (study/explain_plan.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace dilemma {

// What one limit is worth. Amounts are in units of the resource; savings in seconds of the plan's objective.
struct LimitWorth {
  std::string limit;           // "memory of edge-2"
  std::string unit;            // "MiB", "Mbit/s", "0.01"
  std::optional<double> used;  // by the plan, where the limit is one that is used up
  double of = 0;
  double one_s = 0;     // saved by one more unit
  double least = 0;     // the least whole number of units that saves anything; 0 where none does
  double least_s = 0;   // what those save
  double all_s = 0;     // saved where the limit is lifted altogether: no amount saves more
  bool proven = false;  // every figure is exact, to the gap of the solves
};

struct UnusedServer {
  std::string server;
  bool possible = false;  // there is a plan that uses it
  bool proven = false;
  double extra_s = 0;  // of the best plan that uses it over the plan
  std::string text;    // a sentence
};

struct Explanation {
  std::vector<LimitWorth> limits;  // those that matter most first
  std::vector<UnusedServer> unused;
  double seconds = 0;  // that finding it took
  bool empty() const { return limits.empty() && unused.empty(); }
};

Json ExplanationToJson(const Explanation& explanation);
absl::StatusOr<Explanation> ExplanationFromJson(const JsonField& json);

}  // namespace dilemma
