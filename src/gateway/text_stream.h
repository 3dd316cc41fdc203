// From token pieces to text that may be sent: whole UTF-8 characters only, and nothing of a stop string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dilemma {

// One thread.
class TextStream {
 public:
  // `stops`: none of them empty.
  explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // The text that may go out now; may be empty. Nothing more comes after a stop string.
  std::string Push(std::string_view piece);
  // What was held back, at the end. Bytes that are no whole character come as they are.
  std::string Finish();

  bool stopped() const { return stopped_; }
  // Bytes of the whole text that went out: a token that begins there or later was cut off.
  size_t sent_bytes() const { return sent_; }
  size_t pushed_bytes() const { return pushed_; }

 private:
  std::string Take(size_t bytes);
  size_t Held() const;  // bytes at the end that may be the beginning of a stop string

  const std::vector<std::string> stops_;
  std::string pending_;
  size_t sent_ = 0, pushed_ = 0;
  bool stopped_ = false;
};

}  // namespace dilemma
