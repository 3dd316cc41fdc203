// Errors. Every fallible function of the program returns absl::Status or absl::StatusOr; messages say what
// was wrong, where (file and field, server, tensor) and what to do about it.
#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

namespace dilemma {

// The distribution's abseil is built as C++14, where absl::string_view is not std::string_view.
inline std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }
inline absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view Message(const absl::Status& status) { return View(status.message()); }

// Puts "<context>: " before the message of an error; an OK status stays as it is.
absl::Status Annotate(const absl::Status& status, std::string_view context);

template <typename... Args>
absl::Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return absl::NotFoundError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status FailedPrecondition(fmt::format_string<Args...> format, Args&&... args) {
  return absl::FailedPreconditionError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status Unavailable(fmt::format_string<Args...> format, Args&&... args) {
  return absl::UnavailableError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status Internal(fmt::format_string<Args...> format, Args&&... args) {
  return absl::InternalError(fmt::format(format, std::forward<Args>(args)...));
}

// The process exit code for a status: 0 for OK, 2 for bad input, 130 for Ctrl-C (kCancelled), 1 otherwise.
int ExitCode(const absl::Status& status);

}  // namespace dilemma

#define DILEMMA_CONCAT_INNER(a, b) a##b
#define DILEMMA_CONCAT(a, b) DILEMMA_CONCAT_INNER(a, b)

// RETURN_IF_ERROR(expr): returns the status from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    absl::Status dilemma_status_ = (expr);             \
    if (!dilemma_status_.ok()) return dilemma_status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, expr): x = value of the StatusOr, or returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_IMPL(DILEMMA_CONCAT(dilemma_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  lhs = *std::move(tmp)
