// Logging to standard error through spdlog. `level` is trace, debug, info, warn, error or off.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "spdlog/spdlog.h"

namespace dilemma {

// `name` stands in every line, so that the processes of one cluster can be told apart.
absl::Status SetUpLogging(std::string_view name, std::string_view level);

}  // namespace dilemma
