#include "engine/backend.h"

#include <mutex>

#include "absl/strings/ascii.h"
#include "base/log.h"
#include "base/status.h"
#include "llama.h"

namespace dilemma {
namespace {

thread_local std::string errors;

void LogLine(ggml_log_level level, const char* text, void*) {
  const std::string_view line = View(absl::StripAsciiWhitespace(text));
  if (line.empty() || level == GGML_LOG_LEVEL_CONT) return;
  if (level == GGML_LOG_LEVEL_ERROR && errors.size() < 1000) {
    if (!errors.empty()) errors += "; ";
    errors += line;
  }
  spdlog::debug("libllama: {}", line);
}

}  // namespace

void InitBackend() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(LogLine, nullptr);
    llama_backend_init();
  });
}

std::string TakeBackendErrors() { return std::exchange(errors, {}); }

}  // namespace dilemma
