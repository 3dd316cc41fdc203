// What libllama allocates for the KV cache of a sequence.
#pragma once

#include <cstdint>

namespace dilemma {

// Tokens of cache that a context of so many tokens takes: libllama rounds up to a multiple of 256.
constexpr int64_t CachedTokens(int64_t context) { return (context + 255) / 256 * 256; }

}  // namespace dilemma
