// The calibration text of a command: options and the windows that they describe.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "evaluation/text.h"

namespace dilemma::cli {

struct CalibrationOptions {
  std::string text;
  int64_t windows = 32, window = 512;
  uint32_t seed = 1;
};

// --calib, --windows, --window, --seed.
CLI::Option* AddCalibration(CLI::App* command, CalibrationOptions& options);

// Tokens of the text by the model's own tokenizer. At least 4 windows, so that some can be held out; fewer
// than asked for are taken with a warning. Errors name the file and say what would be enough.
absl::StatusOr<std::vector<TokenWindow>> ReadCalibration(const std::string& model,
                                                         const CalibrationOptions& options);

// Other windows of the same text, `count` at most; none where the text has no more (or --seed 0 spreads the
// others over all of it).
absl::StatusOr<std::vector<TokenWindow>> ReadHeldOut(const std::string& model,
                                                     const CalibrationOptions& options, int64_t count);

}  // namespace dilemma::cli
