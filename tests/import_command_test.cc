// `dilemma import` as a user has it: what it prints, what it leaves, and that its result is a model like any
// other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/command_runner.h"

namespace dilemma::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ImportCommandTest : public ::testing::Test {
 protected:
  static std::string Fixture(const std::string& variant) {
    return (fs::path(DILEMMA_SOURCE_DIR) / "tests/fixtures/opt" / variant).string();
  }
  std::string Out() const { return (dir_.path() / "model.gguf").string(); }
  TempDir dir_ = *TempDir::Create("dilemma-import-command");
};

TEST_F(ImportCommandTest, SaysWhatItWroteAndInspectReadsIt) {
  const CommandResult result = Dilemma("import " + Fixture("post") + " --json --out " + Out());
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("importing post"));
  const auto json = ParseJson(result.out, "output");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->at("n_layer"), 5);
  EXPECT_EQ(json->at("type"), "f16");
  EXPECT_EQ(json->at("norm_before"), false);
  EXPECT_EQ(json->at("file_bytes"), fs::file_size(Out()));
  const CommandResult inspected = Dilemma("inspect " + Out());
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("post: opt with 5 layers"));
}

TEST_F(ImportCommandTest, ErrorsNameTheFileAndLeaveNothing) {
  const fs::path folder = dir_.path() / "damaged";
  fs::copy(Fixture("post"), folder);
  fs::remove(folder / "merges.txt");
  const CommandResult result = Dilemma("import " + folder.string() + " --out " + Out());
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("error:"), HasSubstr("merges.txt")));
  EXPECT_FALSE(fs::exists(Out()));
  EXPECT_EQ(Dilemma("import " + Fixture("post") + " --type q4_0 --out " + Out()).code, 2);
  EXPECT_EQ(Dilemma("import").code, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_.path()), {}), 1);  // the damaged folder
}

}  // namespace
}  // namespace dilemma::testing
