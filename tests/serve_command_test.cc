// `dilemma serve` as people run it: over nodes that are processes, with a key, until Ctrl-C.
#include "gmock/gmock.h"
#include "simulator/emulator.h"
#include "tests/background_command.h"
#include "tests/gateway_fixture.h"

namespace dilemma {
namespace {

using testing::BackgroundCommand;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ServeCommandTest : public ::testing::Test {
 protected:
  // Files and servers for the command.
  void Prepare() {
    Cluster cluster;
    cluster.name = "emulated";
    for (const std::string name : {"a", "b"}) {
      Server server;
      server.name = name;
      server.threads = 1;
      cluster.servers.push_back(server);
    }
    cut_ = std::make_unique<CutModel>(CutForTest({15}));
    EmulatorOptions options;
    options.binary = DILEMMA_BINARY;
    options.work_dir = cut_->dir.path() / "nodes";
    auto emulated = EmulatedCluster::Start(cluster, options);
    ASSERT_TRUE(emulated.ok()) << emulated.status();
    emulated_ = *std::move(emulated);
    cut_->plan.model_path = cut_->whole();
    ASSERT_TRUE(WriteJson(File("plan.json"), PlanToJson(cut_->plan)).ok());
    ASSERT_TRUE(WriteFileAtomically(File("cluster.toml"), ClusterToToml(emulated_->cluster())).ok());
    ASSERT_TRUE(WriteFileAtomically(File("keys"), "# ours\nsecret\n").ok());
  }
  std::string File(const std::string& name) const { return cut_->dir.path() / name; }
  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"serve", File("plan.json"), "-c", File("cluster.toml"),
                                      "-s",    cut_->shards()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  std::unique_ptr<CutModel> cut_;
  std::unique_ptr<EmulatedCluster> emulated_;
};

TEST_F(ServeCommandTest, AnswersUntilCtrlCAndLeavesNothing) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Prepare());
  BackgroundCommand serve(
      Command({"--listen", "127.0.0.1:0", "--api-key-file", File("keys"), "--model-name", "m"}));
  ASSERT_TRUE(serve.WaitFor("Ctrl-C ends")) << serve.Out() << serve.Err();
  const std::string out = serve.Out(), mark = "http://127.0.0.1:";
  httplib::Client client("127.0.0.1", std::stoi(out.substr(out.find(mark) + mark.size())));
  client.set_read_timeout(60);
  const std::string body =
      R"({"model": "m", "prompt": "Once upon a time", "max_tokens": 6, "temperature": 0})";
  const auto refused = client.Post("/v1/completions", body, "application/json");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  const auto answered =
      client.Post("/v1/completions", {{"Authorization", "Bearer secret"}}, body, "application/json");
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->status, 200) << answered->body;
  EXPECT_EQ(Json::parse(answered->body)["usage"]["completion_tokens"], 6);
  serve.Signal(SIGINT, true);
  EXPECT_EQ(serve.Wait(), 0) << serve.Err();
  EXPECT_THAT(serve.Survivors(), IsEmpty());
}

TEST_F(ServeCommandTest, DoesNotOpenTheDoorToEverybodyByMistake) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Prepare());
  BackgroundCommand open(Command({"--listen", "0.0.0.0:0"}));
  EXPECT_EQ(open.Wait(), 2);
  EXPECT_THAT(open.Err(), HasSubstr("--api-key-file"));
  BackgroundCommand nonsense(Command({"--listen", "nowhere"}));
  EXPECT_EQ(nonsense.Wait(), 2);
  EXPECT_THAT(nonsense.Err(), HasSubstr("host:port"));
}

}  // namespace
}  // namespace dilemma
