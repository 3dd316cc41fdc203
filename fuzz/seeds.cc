// In place of libFuzzer in ordinary builds: each seed of a fuzzing program, whole and cut at eight places.
#include <cstdio>

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main() {
  const std::vector<std::string> seeds = dilemma::fuzz::Seeds();
  dilemma::fuzz::Require(!seeds.empty(), "there are seeds");
  for (const std::string& seed : seeds) {
    for (size_t eighths = 0; eighths <= 8; ++eighths) {
      const std::string part = seed.substr(0, seed.size() * eighths / 8);  // its end is checked by sanitizers
      (void)LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(part.data()), part.size());
    }
  }
  std::printf("%zu seeds and their beginnings\n", seeds.size());
}
