// Problem files that other programs wrote wrongly: the error names the field.
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/problem_file.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

// A good problem with `from` replaced by `to`, read from a file.
std::string ErrorWith(const std::string& from, const std::string& to) {
  std::string text = R"({
    "compute_ms": [[[1, 2], [3, 4]], [[1, null], [3, null]]],
    "hop_ms": [[0, 5], [6, 0]], "entry_ms": [1.25, 2], "exit_ms": [3, 4],
    "weight_bytes": [[10, 5], [10, null]], "memory_bytes": [20, 15],
    "loss": [[0, 0.5], [0, null]], "loss_budget": 0.75, "one_block_per_server": true,
    "server_names": ["NaN", "inf \" NaN"]})";
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "hostile_problem.json";
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  const auto problem = ReadProblem(path);
  return problem.ok() ? "" : std::string(problem.status().message());
}

TEST(HostileProblem, NotANumberIsNamed) {
  EXPECT_EQ(ErrorWith("1.25", "1.5"), "");
  for (const char* word : {"NaN", "nan", "Infinity", "-Infinity"}) {
    EXPECT_THAT(ErrorWith("1.25", word), HasSubstr("entry_ms[0]")) << word;
    EXPECT_THAT(ErrorWith("0.75", word), HasSubstr("loss_budget")) << word;
    EXPECT_THAT(ErrorWith("[[1, 2]", fmt::format("[[1, {}]", word)), HasSubstr("compute_ms[0][0][1]"))
        << word;
  }
}

TEST(HostileProblem, BrokenTextAndHugeNumbersAreErrors) {
  EXPECT_THAT(ErrorWith("0.75", "1e999"), HasSubstr("1e999"));
  EXPECT_THAT(ErrorWith("0.75", "NaN,,"), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorWith("[20, 15]", "[2e300, 15]"), HasSubstr("memory_bytes"));
  EXPECT_THAT(ErrorWith("0.75", "-1"), HasSubstr("loss_budget"));
}

}  // namespace
}  // namespace dilemma
