// The official OpenAI client talks to a gateway over a real ring.
#include "gmock/gmock.h"
#include "tests/gateway_fixture.h"

namespace dilemma {
namespace {

struct ProgramResult {
  int code = -1;
  std::string out;  // both outputs
};

ProgramResult RunProgram(const std::string& line) {
  ProgramResult result;
  FILE* pipe = popen(("{ " + line + "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  for (size_t got = 0; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) result.out.append(buffer, got);
  result.code = pclose(pipe);
  return result;
}

// The path that the script ends with; the first time, the installer's warnings stand before it.
std::string LastLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST(OpenAiClientTest, SpeaksWithTheGateway) {
  NEEDS_MODEL();
  const std::string source = DILEMMA_SOURCE_DIR;
  const ProgramResult folder = RunProgram("timeout 200 " + source + "/scripts/openai_client.sh");
  if (folder.code != 0) GTEST_SKIP() << "the OpenAI client cannot be had: " << folder.out;
  GatewayOptions options;
  options.api_keys = {"secret"};
  const GatewayUnderTest under(options);
  const ProgramResult talk = RunProgram(fmt::format(
      "PYTHONPATH='{}' timeout 200 python3 {}/tests/openai_client.py http://127.0.0.1:{}/v1 secret smol",
      LastLine(folder.out), source, under.gateway->port()));
  EXPECT_EQ(talk.code, 0) << talk.out;
  EXPECT_THAT(talk.out, ::testing::HasSubstr("good"));
}

}  // namespace
}  // namespace dilemma
