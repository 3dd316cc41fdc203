// A headless Chromium that a test drives over the debugging pipe (the DevTools protocol), for what a page
// does when it is really opened: script errors, requests, layout, screenshots. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/json.h"

namespace dilemma {

class Browser {
 public:
  // kNotFound where no Chromium is installed (Debian: package chromium).
  static absl::StatusOr<std::unique_ptr<Browser>> Start();
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // Width and height in CSS pixels; `dark` is what prefers-color-scheme says. For pages that are open, too.
  absl::Status Emulate(int width, int height, bool dark);
  // Opens a file and waits until the page was loaded.
  absl::Status Open(const std::filesystem::path& page);
  // The value of an expression, awaited where it is a promise; kInternal with the message where it throws.
  absl::StatusOr<Json> Evaluate(std::string_view expression);
  absl::StatusOr<std::string> Screenshot();  // PNG of the whole page

  // What went wrong on the pages so far: uncaught exceptions, errors on the console.
  const std::vector<std::string>& errors() const { return errors_; }
  // Addresses that the pages asked for, their own included.
  const std::vector<std::string>& requests() const { return requests_; }

 private:
  explicit Browser(TempDir profile) : profile_(std::move(profile)) {}
  absl::Status Launch(const std::string& binary);
  absl::Status Attach();
  absl::StatusOr<Json> Call(const std::string& method, Json params);
  absl::StatusOr<Json> Read();  // the next message
  void Note(const Json& event);

  TempDir profile_;
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  int next_id_ = 1;
  std::string session_, pending_;
  bool loaded_ = false;
  std::vector<std::string> errors_, requests_;
};

}  // namespace dilemma
