#include "gateway/text_stream.h"

#include <algorithm>

#include "base/utf8.h"

namespace dilemma {

std::string TextStream::Take(size_t bytes) {
  std::string text = pending_.substr(0, bytes);
  pending_.erase(0, bytes);
  sent_ += bytes;
  return text;
}

size_t TextStream::Held() const {
  size_t held = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, pending_.size()); length > held; --length) {
      if (pending_.compare(pending_.size() - length, length, stop, 0, length) == 0) held = length;
    }
  }
  return held;
}

std::string TextStream::Push(std::string_view piece) {
  if (stopped_) return "";
  pending_ += piece;
  pushed_ += piece.size();
  size_t cut = std::string::npos;
  for (const std::string& stop : stops_) cut = std::min(cut, pending_.find(stop));
  if (cut != std::string::npos) {
    stopped_ = true;
    std::string text = Take(cut);
    pending_.clear();
    return text;
  }
  return Take(WholeCharacters(std::string_view(pending_).substr(0, pending_.size() - Held())));
}

std::string TextStream::Finish() { return Take(pending_.size()); }

}  // namespace dilemma
