#include "fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace dilemma::fuzz {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

std::string AsFile(std::string_view bytes) {
  static const int file = memfd_create("fuzz", MFD_CLOEXEC);
  Require(ftruncate(file, 0) == 0 &&
              pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
          "a file in memory can be written");
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("DILEMMA_FUZZ_SEEDS");
  if (folder == nullptr) return 0;
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : dilemma::fuzz::Seeds()) {
    std::ofstream(std::filesystem::path(folder) / std::to_string(number++), std::ios::binary) << seed;
  }
  std::_Exit(0);
}
