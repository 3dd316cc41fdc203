// Runs the program as a user would, for tests: a shell line with a time limit, its exit code and both
// outputs.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/file.h"

namespace dilemma::testing {

struct CommandResult {
  int code = -1;  // 124: ran past the limit; 128 + n: ended by signal n
  std::string out, err;
};

inline std::string Slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// `arguments` as one would type them after "dilemma".
inline CommandResult Dilemma(const std::string& arguments, int limit_s = 120) {
  const TempDir dir = *TempDir::Create("dilemma-command");
  const std::string out = dir.path() / "out", err = dir.path() / "err";
  const std::string line = "timeout -k 5 " + std::to_string(limit_s) + " " DILEMMA_BINARY " " + arguments +
                           " > '" + out + "' 2> '" + err + "' < /dev/null";
  const int status = std::system(line.c_str());
  CommandResult result;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = Slurp(out);
  result.err = Slurp(err);
  return result;
}

inline std::filesystem::path SmolModel() { return CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"; }

}  // namespace dilemma::testing

// In a test body: skips where the small real model was not fetched.
#define SKIP_WITHOUT_MODEL()                                                                       \
  if (!std::filesystem::exists(dilemma::testing::SmolModel())) {                                   \
    GTEST_SKIP() << dilemma::testing::SmolModel() << " is not there: scripts/model.sh fetches it"; \
  }
