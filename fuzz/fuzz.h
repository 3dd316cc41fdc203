// What every fuzzing program here has: libFuzzer calls LLVMFuzzerTestOneInput, and with $DILEMMA_FUZZ_SEEDS
// the program writes its seeds to that folder and ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dilemma::fuzz {

// Valid inputs to begin with.
std::vector<std::string> Seeds();

inline std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A finding that is no memory error: an answer that cannot be.
void Require(bool holds, const char* what);

// The bytes as a file, for readers that want one. The path is good until the next call.
std::string AsFile(std::string_view bytes);

}  // namespace dilemma::fuzz
