// Any LinearModel on HiGHS (MIT), one thread: what the flow formulation and programs built from several of
// them share.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "planner/linear_model.h"

namespace dilemma {

// A row is accepted when it is broken by at most this much; scale rows to 1.
inline constexpr double kHighsTolerance = 1e-9;

struct LinearOptions {
  double time_limit_s = 60;
  double gap = 1e-6;
  uint64_t seed = 1;
  std::function<bool()> stop;  // polled; true ends with the best so far
  std::function<void(double objective, double bound)>
      progress;               // of a mixed-integer program, as they improve
  std::vector<double> start;  // column values of a known solution; may be empty
};

struct LinearResult {
  bool infeasible = false;       // proven
  bool optimal = false;          // within the gap
  std::vector<double> values;    // [column]; empty where there is no solution
  std::vector<double> row_dual;  // [row] of a program without integers
  double bound = 0;              // of the objective; -infinity where nothing was proven
  std::string reason;            // why it stopped short of a proof
};

LinearResult SolveLinear(const LinearModel& model, const LinearOptions& options);

}  // namespace dilemma
