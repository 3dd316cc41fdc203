#include "base/log.h"

#include "base/status.h"
#include "spdlog/sinks/stdout_color_sinks.h"

namespace dilemma {

absl::Status SetUpLogging(std::string_view name, std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off") {
    return InvalidArgument("log level '{}' is not one of trace, debug, info, warn, error, off", level);
  }
  spdlog::drop(std::string(name));
  spdlog::set_default_logger(spdlog::stderr_color_mt(std::string(name)));
  spdlog::set_level(parsed);
  spdlog::set_pattern("%H:%M:%S.%e %^%l%$ %n: %v");
  return absl::OkStatus();
}

}  // namespace dilemma
