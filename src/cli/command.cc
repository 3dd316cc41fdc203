#include "cli/command.h"

#include <unistd.h>

#include <algorithm>

namespace dilemma::cli {

CLI::App* AddCommand(Program& program, const std::string& name, const std::string& purpose,
                     const std::string& example, std::function<absl::Status()> run, CLI::App* parent) {
  CLI::App* command = (parent != nullptr ? parent : &program.app)->add_subcommand(name, purpose);
  command->footer("Example:\n  " + example);
  command->add_flag("--json", program.json, "Print one JSON document for scripts");
  command->add_option("--log-level", program.log_level, "trace, debug, info, warn, error or off")
      ->capture_default_str();
  command->callback([&program, run = std::move(run)] { program.run = run; });
  return command;
}

void PrintJson(const Json& json) { Print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"); }

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Say(const std::string& text) { fmt::print(stderr, "{}\n", text); }

void ProgressLine::Update(double fraction, const std::string& detail) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  fraction = std::clamp(fraction, 0.0, 1.0);
  if (terminal) {
    constexpr int kWidth = 24;
    const int filled = static_cast<int>(fraction * kWidth);
    fmt::print(stderr, "\r\033[K{} [{}{}] {:3.0f} % {}", what_, std::string(static_cast<size_t>(filled), '='),
               std::string(static_cast<size_t>(kWidth - filled), ' '), 100 * fraction, detail);
    std::fflush(stderr);
    open_ = true;
  } else if (fraction >= printed_ + 0.25 || (fraction >= 1 && printed_ < 1)) {
    fmt::print(stderr, "{}: {:.0f} % {}\n", what_, 100 * fraction, detail);
    printed_ = fraction;
  }
}

void ProgressLine::Finish() {
  if (open_) fmt::print(stderr, "\r\033[K");
  open_ = false;
}

}  // namespace dilemma::cli
