#include "cli/calibration.h"

#include "base/status.h"
#include "cli/command.h"
#include "engine/tokenizer.h"

namespace dilemma::cli {

CLI::Option* AddCalibration(CLI::App* command, CalibrationOptions& options) {
  CLI::Option* text = command->add_option("--calib", options.text,
                                          "Calibration text: a text file, a folder of them, or a SQuAD file");
  command->add_option("--windows", options.windows, "Windows of the text, drawn at random")
      ->check(CLI::Range(4, 4096))
      ->capture_default_str();
  command->add_option("--window", options.window, "Tokens in one")
      ->check(CLI::Range(16, 4096))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Which windows are drawn")->capture_default_str();
  return text;
}

absl::StatusOr<std::vector<TokenWindow>> ReadCalibration(const std::string& model,
                                                         const CalibrationOptions& options) {
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(model));
  ASSIGN_OR_RETURN(const auto documents, ReadDocuments(options.text));
  ASSIGN_OR_RETURN(auto windows,
                   MakeWindows(documents, *tokenizer,
                               {.window = options.window, .count = options.windows, .seed = options.seed}));
  if (windows.size() < 4) {
    return InvalidArgument(
        "'{}' gives {} windows of {} tokens, and at least 4 are needed: give more text or a smaller --window",
        options.text, windows.size(), options.window);
  }
  if (static_cast<int64_t>(windows.size()) < options.windows) {
    Say(fmt::format(
        "warning: '{}' has text for {} windows of {} tokens, not {}; more text gives better models",
        options.text, windows.size(), options.window, options.windows));
  }
  return windows;
}

absl::StatusOr<std::vector<TokenWindow>> ReadHeldOut(const std::string& model,
                                                     const CalibrationOptions& options, int64_t count) {
  if (options.seed == 0) return std::vector<TokenWindow>();  // spread over all of the text
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(model));
  ASSIGN_OR_RETURN(const auto documents, ReadDocuments(options.text));
  return MakeWindows(
      documents, *tokenizer,
      {.window = options.window, .count = count, .seed = options.seed, .skip = options.windows});
}

}  // namespace dilemma::cli
