// UTF-8 that comes in pieces.
#pragma once

#include <cstddef>
#include <string_view>

namespace dilemma {

// Bytes of `text` up to its last whole character: a character whose end is still to come is left out. Bytes
// that are not UTF-8 count as whole.
size_t WholeCharacters(std::string_view text);

}  // namespace dilemma
