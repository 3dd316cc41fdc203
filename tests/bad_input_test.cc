// Whatever a person gets wrong ends in a clear error and a non-zero exit: never a crash, never a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fmt/format.h"
#include "tests/command_runner.h"
#include "tests/squad_bees.h"

namespace dilemma::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class BadInputTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& contents) {
    const auto path = dir_.path() / name;
    EXPECT_TRUE(WriteFileAtomically(path, contents).ok());
    return "'" + path.string() + "'";
  }
  // The command failed as a program should: an error line, and no signal or time-out.
  static void ExpectError(const CommandResult& result, const std::string& text) {
    EXPECT_THAT(result.code, AnyOf(1, 2)) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error:"), HasSubstr(text)));
  }
  TempDir dir_ = *TempDir::Create("dilemma-bad-input");
};

TEST_F(BadInputTest, Models) {
  ExpectError(Dilemma("inspect /nowhere/model.gguf"), "/nowhere/model.gguf");
  ExpectError(Dilemma("inspect " + Write("empty.gguf", "")), "empty.gguf");
  ExpectError(Dilemma("inspect " + Write("text.gguf", "This is not a model.")), "GGUF");
  ExpectError(Dilemma("inspect /tmp"), "/tmp");
}

TEST_F(BadInputTest, Questions) {
  const std::string question = R"({"id": "1", "question": "?", "answers": [], "is_impossible": true})";
  const auto squad = [&](const std::string& version) {
    return fmt::format(
        R"({{"version": "{}", "data": [{{"title": "T", "paragraphs": [{{"context": "C.", "qas": [{}]}}]}}]}})",
        version, question);
  };
  const auto ask = [&](const std::string& name, const std::string& text) {
    return Dilemma("eval squad /nowhere/model.gguf --data " + Write(name, text), 20);
  };
  ExpectError(ask("named.json", squad("v2.0")), "named.json: has version 'v2.0'");
  ExpectError(ask("unnamed.json", squad("")), "version 2 of SQuAD");
  ExpectError(ask("cut.json", squad("1.1").substr(0, 60)), "cut.json: not valid JSON");
  ExpectError(ask("empty.json", ""), "empty.json: is empty");
  ExpectError(ask("none.json", R"({"data": []})"), "none.json: holds no articles");
}

// Text to calibrate with, of a SQuAD file and of what is none.
TEST_F(BadInputTest, TextWithQuestions) {
  const std::string squad = Write("bees.json", SquadOfBees("1.1").dump());
  const auto text = [](const std::string& path, const std::string& prompt) {
    return Dilemma("eval text " + path + " --questions " + prompt, 20);
  };
  const CommandResult line = text(squad, "line"), quoted = text(squad, "quoted");
  EXPECT_EQ(line.code, 0) << line.err;
  EXPECT_THAT(line.out, HasSubstr("\nQuestion: How many bees are there?\nAnswer: 3 bees\n"));
  EXPECT_THAT(quoted.out, HasSubstr("Answer (a few words from the passage): \"3 bees\"\n"));
  EXPECT_EQ(Dilemma("eval text " + squad, 20).out.find("Question"), std::string::npos);
  EXPECT_NE(text(squad, "spoken").code, 0);
  ExpectError(text(Write("plain.txt", "Bees."), "line"), "plain.txt: not valid JSON");
  Json silent = SquadOfBees("1.1");
  for (Json& article : silent["data"]) {
    for (Json& paragraph : article["paragraphs"]) paragraph["qas"] = Json::array();
  }
  ExpectError(text(Write("silent.json", silent.dump()), "line"), "has no questions");
}

TEST_F(BadInputTest, TruncatedModels) {
  SKIP_WITHOUT_MODEL();
  const std::string whole = Slurp(SmolModel());
  for (const size_t size : {size_t{3}, size_t{24}, size_t{4096}, whole.size() / 2, whole.size() - 1}) {
    ExpectError(Dilemma("inspect " + Write("cut.gguf", whole.substr(0, size))), "cut.gguf");
  }
  const size_t arch = whole.find("general.architecture");
  ASSERT_NE(arch, std::string::npos);
  std::string foreign = whole;
  foreign.replace(whole.find("llama", arch), 5, "mamba");
  ExpectError(Dilemma("inspect " + Write("foreign.gguf", foreign)), "mamba");
}

TEST_F(BadInputTest, MutatedHeadersNeverCrash) {
  SKIP_WITHOUT_MODEL();
  const std::string whole = Slurp(SmolModel());
  std::mt19937 random(7);
  for (int i = 0; i < 25; ++i) {
    std::string mutated = whole;
    for (int k = 0; k < 20; ++k) mutated[random() % 4096] = static_cast<char>(random());
    const CommandResult result = Dilemma("inspect " + Write("mutated.gguf", mutated), 30);
    EXPECT_THAT(result.code, AnyOf(0, 1, 2)) << "mutation " << i << ": " << result.err;
  }
}

TEST_F(BadInputTest, ClusterFiles) {
  const std::string bad = Write("bad.toml", "[[server]]\nname = \"a\"\nmemory = \"4 Gbit\"\n");
  ExpectError(Dilemma("emulate " + bad), "'memory'");
  ExpectError(Dilemma("emulate " + Write("broken.toml", "[[server]\n")), "not valid TOML");
  ExpectError(Dilemma("emulate /nowhere.toml"), "/nowhere.toml");
}

TEST_F(BadInputTest, DeadServer) {
  SKIP_WITHOUT_MODEL();
  const std::string cluster = Write("dead.toml", "[[server]]\nname = \"gone\"\naddress = \"127.0.0.1:1\"\n");
  ExpectError(
      Dilemma("profile '" + SmolModel().string() + "' --insecure --cluster " + cluster + " -o /dev/null", 60),
      "gone");
  const std::string none = Write("none.toml", "[[server]]\nname = \"gone\"\n");
  ExpectError(
      Dilemma("profile '" + SmolModel().string() + "' --insecure --cluster " + none + " -o /dev/null", 60),
      "no address");
}

TEST_F(BadInputTest, PlansAndProfiles) {
  SKIP_WITHOUT_MODEL();
  const std::string cluster = Write("c.toml", "[[server]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n");
  const std::string model = "'" + SmolModel().string() + "'";
  ExpectError(Dilemma("plan " + model + " -c " + cluster + " -p " + Write("p.json", "{")), "not valid JSON");
  ExpectError(Dilemma("plan " + model + " -c " + cluster + " -p " + Write("q.json", "{}")),
              "dilemma-profile");
  ExpectError(Dilemma("run " + Write("plan.json", R"({"format":"dilemma-plan","version":99})") +
                      " hello -c " + cluster),
              "version 99");
  ExpectError(Dilemma("quantize " + Write("empty.json", "")), "empty.json: is empty");
}

TEST_F(BadInputTest, Usage) {
  EXPECT_EQ(Dilemma("").code, 2);
  EXPECT_EQ(Dilemma("no-such-command").code, 2);
  EXPECT_EQ(Dilemma("inspect").code, 2);
  EXPECT_EQ(Dilemma("--version").code, 0);
  for (const std::string command :
       {"demo", "inspect", "emulate", "node", "profile", "plan", "certs", "quantize", "run", "report"}) {
    const CommandResult help = Dilemma(command + " --help");
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_THAT(help.out, AllOf(HasSubstr("Example:"), HasSubstr("--json"))) << command;
  }
}

TEST_F(BadInputTest, NodeOptions) {
  ExpectError(Dilemma("node --insecure --memory 4 --listen 127.0.0.1:0", 20), "has no unit");
  ExpectError(Dilemma("node --insecure --listen nonsense --store '" + dir_.path().string() + "'", 20),
              "nonsense");
  ExpectError(Dilemma("node --insecure --listen 127.0.0.1:0 --store /proc/no", 20), "/proc/no");
}

}  // namespace
}  // namespace dilemma::testing
