// `dilemma serve --recover`: a client whose answer is under way when a server dies does not notice.
#include <thread>

#include "cluster/profile.h"
#include "gmock/gmock.h"
#include "quality/quality.h"
#include "tests/background_command.h"
#include "tests/gateway_fixture.h"
#include "tests/recovery_fixture.h"
#include "tests/three_servers.h"

namespace dilemma {
namespace {

using testing::BackgroundCommand;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kTokens = 60;

class ServeRecoveryTest : public ::testing::Test {
 protected:
  // Starts `dilemma serve --recover` over three node processes; with what it takes to plan again, or without.
  void Serve(bool plan_again, const std::vector<std::string>& more = {}) {
    cut_.emplace(CutForTest({10, 20}, UniformTypes(32, "q4_0")));
    auto emulated = EmulateThreeServers(cut_->dir.path() / "nodes");
    ASSERT_TRUE(emulated.ok()) << emulated.status();
    emulated_ = *std::move(emulated);
    cut_->plan.model_path = TestModelPath();
    cut_->plan.model_sha256 = *Sha256OfFile(TestModelPath());
    cut_->plan.loss_kind = "weight";
    cut_->plan.loss_budget = 1;
    ASSERT_TRUE(WriteJson(File("plan.json"), PlanToJson(cut_->plan)).ok());
    ASSERT_TRUE(WriteFileAtomically(File("cluster.toml"), ClusterToToml(emulated_->cluster())).ok());
    const Profile profile = MadeUpProfile(cut_->model, emulated_->cluster());
    ASSERT_TRUE(WriteJson(File("profile.json"), ProfileToJson(profile)).ok());
    ASSERT_TRUE(WriteJson(File("quality.json"), QualityToJson(MadeUpQuality(cut_->model))).ok());
    std::vector<std::string> words = {
        "serve",       File("plan.json"), "-c", File("cluster.toml"), "-s", cut_->shards(), "--listen",
        "127.0.0.1:0", "--model-name",    "m",  "--recover"};
    if (plan_again)
      words.insert(words.end(), {"--profile", File("profile.json"), "--quality", File("quality.json")});
    words.insert(words.end(), more.begin(), more.end());
    serve_ = std::make_unique<BackgroundCommand>(words);
    ASSERT_TRUE(serve_->WaitFor("Ctrl-C ends")) << serve_->Out() << serve_->Err();
    const std::string out = serve_->Out(), mark = "http://127.0.0.1:";
    port_ = std::stoi(out.substr(out.find(mark) + mark.size()));
  }
  std::string File(const std::string& name) const { return cut_->dir.path() / name; }

  httplib::Client Client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(120);
    return client;
  }
  static Json Question(bool stream) {
    return {{"model", "m"},
            {"prompt", "Once upon a time"},
            {"max_tokens", kTokens},
            {"temperature", 1},
            {"seed", 3},
            {"stream", stream},
            {"logprobs", 0}};
  }
  Json Undisturbed() const {
    const auto reply = Client().Post("/v1/completions", Question(false).dump(), "application/json");
    EXPECT_TRUE(reply && reply->status == 200) << (reply ? reply->body : "no reply");
    return reply ? Json::parse(reply->body) : Json();
  }

  // The events of a stream during which `trouble` happens, after the first tokens have come.
  std::vector<Json> StreamInTrouble(const std::function<void()>& trouble) {
    RawClient client(port_);
    EXPECT_TRUE(client.Send(RawPost("/v1/completions", Question(true).dump(), "Connection: close\r\n")));
    const std::string begin = client.ReadUntil("data: ");
    trouble();
    return Events(WithoutChunks(begin + client.ReadAll()));
  }
  // HTTP's chunk sizes stand on lines of their own between events.
  static std::string WithoutChunks(const std::string& reply) {
    std::string events;
    for (size_t at = 0; (at = reply.find("data: ", at)) != std::string::npos;) {
      const size_t end = reply.find("\n\n", at);
      events += reply.substr(at, end - at) + "\n\n";
      at = end;
    }
    return events;
  }
  static std::string TextOf(const std::vector<Json>& events) {
    std::string text;
    for (const Json& event : events) {
      if (event.is_object() && event.contains("choices") && !event["choices"].empty())
        text += event["choices"][0].value("text", "");
    }
    return text;
  }
  static size_t TokensOf(const std::vector<Json>& events) {
    size_t tokens = 0;
    for (const Json& event : events) {
      if (!event.is_object() || !event.contains("choices") || event["choices"].empty()) continue;
      const Json& logprobs = event["choices"][0]["logprobs"];
      if (logprobs.is_object()) tokens += logprobs["tokens"].size();
    }
    return tokens;
  }
  std::string Metrics() const {
    const auto reply = Client().Get("/metrics");
    return reply ? reply->body : "";
  }

  std::optional<CutModel> cut_;
  std::unique_ptr<EmulatedCluster> emulated_;
  std::unique_ptr<BackgroundCommand> serve_;
  int port_ = 0;
};

TEST_F(ServeRecoveryTest, AnAnswerUnderWaySurvivesAKilledServer) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Serve(/*plan_again=*/false));
  const Json undisturbed = Undisturbed();
  const std::vector<Json> events = StreamInTrouble([&] {
    EXPECT_TRUE(emulated_->Kill("b").ok());
    EXPECT_TRUE(emulated_->Restart("b").ok());
  });
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back(), "[DONE]") << events.back();
  EXPECT_EQ(TextOf(events), undisturbed["choices"][0]["text"]) << serve_->Err();
  EXPECT_EQ(TokensOf(events), undisturbed["choices"][0]["logprobs"]["tokens"].size());
  EXPECT_FALSE(events[events.size() - 2].contains("replanned"));
  EXPECT_THAT(serve_->Err(), HasSubstr("recovered after"));
  EXPECT_THAT(Metrics(), HasSubstr("dilemma_rings_opened_total{plan=\"given\"} 2"));
  EXPECT_EQ(Client().Get("/health")->status, 200);
}

TEST_F(ServeRecoveryTest, ADeadServerIsPlannedAroundAndMetricsFollow) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Serve(/*plan_again=*/true));
  EXPECT_THAT(Metrics(), HasSubstr("dilemma_stage_decode_predicted_seconds{server=\"b\""));
  const std::vector<Json> events = StreamInTrouble([&] { EXPECT_TRUE(emulated_->Kill("b").ok()); });
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.back(), "[DONE]") << events.back();
  const Json& last = events[events.size() - 2];
  EXPECT_TRUE(last.value("replanned", false)) << last;
  if (last["choices"][0]["finish_reason"] == "length") {
    EXPECT_EQ(TokensOf(events), static_cast<size_t>(kTokens));
  }
  const std::string metrics = Metrics();
  EXPECT_THAT(metrics, HasSubstr("dilemma_replanned 1"));
  EXPECT_THAT(metrics, Not(HasSubstr("dilemma_stage_decode_predicted_seconds{server=\"b\"")));
  const Json status = Json::parse(Client().Get("/status")->body);
  EXPECT_TRUE(status["replanned"]);
  for (const Json& stage : status["stages"]) EXPECT_NE(stage["server"], "b");
  EXPECT_EQ(Client().Get("/health")->status, 200);
}

TEST_F(ServeRecoveryTest, AnAnswerUnderWayAtCtrlCSurvivesAKilledServerToo) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Serve(/*plan_again=*/false, {"--grace", "60"}));
  const Json undisturbed = Undisturbed();
  const std::vector<Json> events = StreamInTrouble([&] {
    serve_->Signal(SIGINT, true);
    EXPECT_TRUE(serve_->WaitFor("stopping")) << serve_->Err();
    EXPECT_TRUE(emulated_->Kill("b").ok());
    EXPECT_TRUE(emulated_->Restart("b").ok());
  });
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back(), "[DONE]") << events.back();
  EXPECT_EQ(TextOf(events), undisturbed["choices"][0]["text"]) << serve_->Err();
  EXPECT_THAT(serve_->Err(), HasSubstr("recovered after"));
  EXPECT_EQ(serve_->Wait(), 0) << serve_->Err();
}

TEST_F(ServeRecoveryTest, CtrlCWhileARingIsWaitedForEndsWhenTheGraceIsOver) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Serve(/*plan_again=*/false, {"--grace", "1"}));
  const std::vector<Json> events = StreamInTrouble([&] {
    EXPECT_TRUE(emulated_->Kill("b").ok());
    EXPECT_TRUE(serve_->WaitFor("waiting for servers")) << serve_->Err();
    serve_->Signal(SIGINT, true);
  });
  ASSERT_FALSE(events.empty());
  EXPECT_TRUE(events.back().is_object() && events.back().contains("error")) << events.back();
  EXPECT_EQ(serve_->Wait(), 0) << serve_->Err();
}

TEST_F(ServeRecoveryTest, WhileNothingCanBeOpenedAClientMayLeaveAndHealthSaysSo) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Serve(/*plan_again=*/false));
  {
    RawClient client(port_);
    ASSERT_TRUE(client.Send(RawPost("/v1/completions", Question(true).dump())));
    client.ReadUntil("data: ");
    ASSERT_TRUE(emulated_->Kill("b").ok());
    ASSERT_TRUE(serve_->WaitFor("waiting for servers")) << serve_->Err();
    const auto health = Client().Get("/health");
    EXPECT_EQ(health->status, 503);
    EXPECT_THAT(health->body, HasSubstr("b cannot be reached"));
  }
  for (int i = 0; i < 100 && Json::parse(Client().Get("/health")->body)["running"] != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(Json::parse(Client().Get("/health")->body)["running"], 0);
  ASSERT_TRUE(emulated_->Restart("b").ok());
  const Json answered = Undisturbed();
  EXPECT_GT(answered["usage"]["completion_tokens"], 0);
  serve_->Signal(SIGINT, true);
  EXPECT_EQ(serve_->Wait(), 0) << serve_->Err();
}

}  // namespace
}  // namespace dilemma
