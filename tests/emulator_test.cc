// A cluster of real processes: it generates, and says which server it lost when one dies, hangs or is cut
// off.
#include "simulator/emulator.h"

#include <signal.h>

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "gmock/gmock.h"
#include "runtime/client.h"
#include "tests/ring_fixture.h"
#include "tests/three_servers.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

constexpr double kPeerTimeoutS = 2;
// Beyond any hang: half the peer timeout to ping, half to wait, and a machine that does ten other things.
constexpr double kHangS = 60;

class EmulatorTest : public testing::Test {
 protected:
  static void TearDownTestSuite() { cut_.reset(); }

  void Start() {
    if (!cut_.has_value()) cut_.emplace(CutForTest({10, 20}));
    auto emulated = EmulateThreeServers(dir_.path());
    ASSERT_TRUE(emulated.ok()) << emulated.status();
    emulated_ = *std::move(emulated);
    for (const Server& server : emulated_->cluster().servers) pids_.push_back(emulated_->Pid(server.name));
  }

  std::unique_ptr<Coordinator> OpenRing() {
    CoordinatorOptions options;
    options.peer_timeout_s = kPeerTimeoutS;
    options.connect_timeout_s = kHangS / 3;
    options.stall_timeout_s = kHangS / 2;
    auto ring = Coordinator::Open(cut_->plan, emulated_->cluster(), cut_->shards(), options);
    EXPECT_TRUE(ring.ok()) << ring.status();
    return ring.ok() ? *std::move(ring) : nullptr;
  }

  GenerateRequest Request(int64_t max_tokens) const {
    GenerateRequest request;
    request.prompt = cut_->Tokens("Once upon a time");
    request.max_tokens = max_tokens;
    return request;
  }

  // Generates, and calls `trouble` from another thread after a few tokens.
  absl::Status GenerateInTrouble(Coordinator& ring, const std::function<void()>& trouble) {
    int seen = 0;
    std::thread worker;
    const auto start = std::chrono::steady_clock::now();
    const auto result = ring.Generate(Request(240), [&](int32_t) {
      if (++seen == 4) worker = std::thread(trouble);
      return true;
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (worker.joinable()) worker.join();
    EXPECT_GE(seen, 4);
    EXPECT_LT(took.count(), kHangS) << "it hung";
    return result.status();
  }

  void ExpectAllGone() {
    emulated_->Stop();
    for (const int pid : pids_) EXPECT_NE(kill(pid, 0), 0) << "process " << pid << " is still there";
  }

  TempDir dir_ = *TempDir::Create("dilemma-emulator");
  inline static std::optional<CutModel> cut_;
  std::unique_ptr<EmulatedCluster> emulated_;
  std::vector<int> pids_;
};

TEST_F(EmulatorTest, StartsAnswersGeneratesAndStops) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto credentials = CredentialsFor(emulated_->cluster());
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  for (const Server& server : emulated_->cluster().servers) {
    for (const std::string from : {"user", "a", "b", "c"}) {
      if (from == server.name) continue;
      const std::string address = emulated_->cluster().AddressFrom(from, server.name);
      EXPECT_NE(address, server.address) << "not through a link";
      const auto client = NodeClient::Connect(address, 20, {*credentials, server.name});
      ASSERT_TRUE(client.ok()) << client.status();
      const auto info = (*client)->Info();
      ASSERT_TRUE(info.ok()) << info.status();
      EXPECT_EQ(info->name, server.name);
    }
  }
  const auto ring = OpenRing();
  ASSERT_NE(ring, nullptr);
  const auto result = ring->Generate(Request(16));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, RunWhole(*cut_, Request(16).prompt, 16, 64).tokens);
  EXPECT_GT(emulated_->Link("a", "b")->delivered_bytes(), 16 * 576 * 4);
  ring->Close();
  ExpectAllGone();
}

TEST_F(EmulatorTest, AKilledServerIsNamedAndCanComeBack) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  auto ring = OpenRing();
  ASSERT_NE(ring, nullptr);
  const absl::Status lost = GenerateInTrouble(*ring, [&] { EXPECT_TRUE(emulated_->Kill("b").ok()); });
  EXPECT_FALSE(lost.ok());
  EXPECT_THAT(std::string(Message(lost)), HasSubstr("server 'b'"));
  ring.reset();
  EXPECT_EQ(emulated_->Pid("b"), 0);
  const absl::Status back = emulated_->Restart("b");
  ASSERT_TRUE(back.ok()) << back;
  pids_.push_back(emulated_->Pid("b"));
  ring = OpenRing();
  ASSERT_NE(ring, nullptr);
  const auto result = ring->Generate(Request(4));
  EXPECT_TRUE(result.ok()) << result.status();
  ring->Close();
  ExpectAllGone();
}

TEST_F(EmulatorTest, AHangingServerIsNamed) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  auto ring = OpenRing();
  ASSERT_NE(ring, nullptr);
  const absl::Status lost = GenerateInTrouble(*ring, [&] { EXPECT_TRUE(emulated_->Pause("b").ok()); });
  EXPECT_FALSE(lost.ok());
  EXPECT_THAT(std::string(Message(lost)), HasSubstr("server 'b'"));
  ring.reset();
  ExpectAllGone();  // the one that hangs as well
}

TEST_F(EmulatorTest, ACutLinkNamesTheServerBehindIt) {
  NEEDS_MODEL();
  ASSERT_NO_FATAL_FAILURE(Start());
  auto ring = OpenRing();
  ASSERT_NE(ring, nullptr);
  const absl::Status lost = GenerateInTrouble(*ring, [&] {
    emulated_->Link("a", "b")->Cut();
    emulated_->Link("b", "a")->Cut();
  });
  EXPECT_FALSE(lost.ok());
  EXPECT_THAT(std::string(Message(lost)), HasSubstr("server 'b'"));
  ring.reset();
  ExpectAllGone();
}

TEST(EmulatorTroubleTest, AServerThatCannotStartIsNamedAndNothingStays) {
  const TempDir dir = *TempDir::Create("dilemma-emulator");
  Cluster cluster;
  for (const std::string name : {"good", "bad"}) {
    Server server;
    server.name = name;
    cluster.servers.push_back(server);
  }
  cluster.servers[1].emulated_slowdown = 0.1;  // `dilemma node` refuses it
  EmulatorOptions options;
  options.binary = DILEMMA_BINARY;
  options.work_dir = dir.path();
  const auto emulated = EmulatedCluster::Start(cluster, options);
  EXPECT_FALSE(emulated.ok());
  EXPECT_THAT(std::string(Message(emulated.status())), HasSubstr("server 'bad'"));
  options.binary = "/nowhere/dilemma";
  EXPECT_FALSE(EmulatedCluster::Start(cluster, options).ok());
}

}  // namespace
}  // namespace dilemma
