// `plan --frontier`: the curve of delay against loss.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "study/trade_off.h"

namespace dilemma::cli {

// Whether the curve can be drawn: kInvalidArgument for another objective than latency. Cheap: ask before
// solving.
absl::Status CheckFrontier(const Problem& problem);

// With progress on standard error. `time_limit_s` is for each point; a point that runs into it has its gap.
absl::StatusOr<TradeOff> Frontier(const Problem& problem, const Assignment& here, int points,
                                  double time_limit_s, double gap);
std::string RenderFrontier(const TradeOff& trade_off);

}  // namespace dilemma::cli
