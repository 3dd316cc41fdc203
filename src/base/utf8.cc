#include "base/utf8.h"

namespace dilemma {

size_t WholeCharacters(std::string_view text) {
  size_t start = text.size();
  while (start > 0 && text.size() - start < 3 && (static_cast<unsigned char>(text[start - 1]) & 0xC0) == 0x80)
    --start;
  if (start == 0) return text.size();
  const auto lead = static_cast<unsigned char>(text[start - 1]);
  const size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  return text.size() - (start - 1) >= need ? text.size() : start - 1;
}

}  // namespace dilemma
