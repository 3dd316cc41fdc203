// Nodes in trouble: they say what is wrong, and live on.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "gmock/gmock.h"
#include "runtime/client.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Says(const absl::Status& status) { return std::string(Message(status)); }

std::string RandomBytes(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class NodeTest : public testing::Test {
 protected:
  void SetUp() override {
    NodeOptions options;
    options.name = "a";
    options.store = dir_.path() / "store";
    Restart(options);
  }
  void Restart(const NodeOptions& options) {
    node_.reset();
    auto node = Node::Start(options);
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
    auto client = NodeClient::Connect(node_->address());
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }
  fs::path Write(const std::string& contents) {
    const fs::path path = dir_.path() / "shard";
    EXPECT_TRUE(WriteFileAtomically(path, contents).ok());
    return path;
  }

  TempDir dir_ = *TempDir::Create("dilemma-node");
  std::unique_ptr<Node> node_;
  std::unique_ptr<NodeClient> client_;
};

TEST_F(NodeTest, SaysWhatItHas) {
  const auto info = client_->Info();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "a");
  EXPECT_GT(info->cores, 0);
  EXPECT_GT(info->memory_bytes, 0);
  EXPECT_GT(info->rss_bytes, 0);
  EXPECT_GT(info->free_disk_bytes, 0);
  EXPECT_TRUE(info->shards.empty());
}

TEST_F(NodeTest, APortInUseIsAClearError) {
  NodeOptions options;
  options.store = dir_.path() / "other";
  options.listen = node_->address();
  const auto second = Node::Start(options);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(Says(second.status()), HasSubstr("in use"));
}

TEST_F(NodeTest, NobodyThereIsAClearError) {
  const std::string address = node_->address();
  node_->Stop();
  const auto client = NodeClient::Connect(address, 0.5);
  EXPECT_TRUE(absl::IsUnavailable(client.status()));
  EXPECT_THAT(Says(client.status()), HasSubstr(address));
}

// Without it this test waits for an hour.
TEST_F(NodeTest, ARefusedConnectionIsWaitedForNoLongerThanAsked) {
  const std::string address = node_->address();
  node_->Stop();
  const auto client = NodeClient::Connect(address, 3600, {nullptr, "", 0});
  EXPECT_TRUE(absl::IsUnavailable(client.status())) << client.status();
}

TEST_F(NodeTest, AShardIsSentOnceAndKeptOverRestarts) {
  const std::string bytes = RandomBytes(3'000'000, 1);
  const fs::path path = Write(bytes);
  EXPECT_EQ(*client_->SendShard(path, Sha256(bytes)), static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(*client_->SendShard(path, Sha256(bytes)), 0);
  NodeOptions options;
  options.store = dir_.path() / "store";
  Restart(options);
  EXPECT_EQ(*client_->SendShard(path, Sha256(bytes)), 0);
  EXPECT_EQ(client_->Info()->shards.size(), 1u);
  EXPECT_TRUE(client_->DropShard(Sha256(bytes)).ok());
  EXPECT_TRUE(absl::IsNotFound(client_->DropShard(Sha256(bytes))));
}

TEST_F(NodeTest, ABrokenUploadGoesOnWhereItStopped) {
  const std::string bytes = RandomBytes(24'000'000, 2);
  const fs::path path = Write(bytes);
  int calls = 0;
  const auto broken = client_->SendShard(path, Sha256(bytes), [&](int64_t, int64_t) { return ++calls < 60; });
  EXPECT_TRUE(absl::IsCancelled(broken.status()));
  absl::StatusOr<int64_t> rest = absl::UnknownError("not tried");
  for (int i = 0; i < 100 && !rest.ok(); ++i) {  // the node may still be closing the first one
    rest = client_->SendShard(path, Sha256(bytes));
    if (!rest.ok()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_GT(*rest, 0);
  EXPECT_LT(*rest, static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(client_->Info()->shards.size(), 1u);
}

TEST_F(NodeTest, AWrongHashIsRefused) {
  const fs::path path = Write("these are not the bytes");
  const auto sent = client_->SendShard(path, Sha256("others"));
  EXPECT_TRUE(absl::IsInvalidArgument(sent.status())) << sent.status();
  EXPECT_TRUE(client_->Info()->shards.empty());
  EXPECT_FALSE(client_->SendShard(path, "../../etc/passwd").ok());
}

TEST_F(NodeTest, AFullStoreSaysSo) {
  NodeOptions options;
  options.store = dir_.path() / "small";
  options.disk_bytes = 1'000'000;
  Restart(options);
  const std::string bytes = RandomBytes(2'000'000, 3);
  const auto sent = client_->SendShard(Write(bytes), Sha256(bytes));
  EXPECT_TRUE(absl::IsResourceExhausted(sent.status()));
  EXPECT_THAT(Says(sent.status()), HasSubstr("no room"));
}

TEST_F(NodeTest, MeasuresLinks) {
  NodeOptions options;
  options.store = dir_.path() / "b";
  const auto other = Node::Start(options);
  ASSERT_TRUE(other.ok());
  const LinkProbeOptions probe = {.round_trips = 20, .large_messages = 4};
  const auto link = client_->ProbeLink("b", (*other)->address(), probe);
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(link->round_trip_s.size(), 20u);
  EXPECT_EQ(link->bytes_per_s.size(), 3u);
  EXPECT_TRUE(client_->MeasureLink(probe).ok());
  const LinkProbeOptions slow = {.round_trips = 3, .large_messages = 0, .idle_s = 0.5};
  const auto rested = client_->MeasureLink(slow);
  ASSERT_TRUE(rested.ok()) << rested.status();
  EXPECT_LT(*std::min_element(rested->round_trip_s.begin(), rested->round_trip_s.end()), slow.idle_s);
  const LinkProbeOptions too_slow = {.idle_s = 2};
  EXPECT_TRUE(absl::IsInvalidArgument(client_->MeasureLink(too_slow).status()));
  (*other)->Stop();
  const auto dead = client_->ProbeLink("b", (*other)->address(), probe);
  EXPECT_THAT(Says(dead.status()), HasSubstr((*other)->address()));
}

TEST_F(NodeTest, ProbesRunWithoutTheModelsWeights) {
  NEEDS_MODEL();
  ProbeRequest request;
  request.shape = *MakeProbeShape(*ReadModel(TestModelPath()));
  request.shape.layers = 2;
  request.shape.mix = "q4_0";
  request.passes = {{.context = 32, .rows = 1, .repeats = 3}, {.context = 0, .rows = 16, .repeats = 2}};
  const auto result = client_->Probe(request);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->seconds.size(), 2u);
  EXPECT_EQ(result->seconds[0].size(), 3u);
  for (const double s : result->seconds[0]) EXPECT_GT(s, 0);
  EXPECT_GT(result->weight_bytes, 0);
  request.passes = {{.context = -1, .rows = 1, .repeats = 3}};
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Probe(request).status()));
  request.passes = {{.context = 1, .rows = 1, .repeats = 1}};
  request.shape.mix = "q9_9";
  EXPECT_FALSE(client_->Probe(request).ok());
  EXPECT_TRUE(client_->Info().ok());
}

TEST_F(NodeTest, BytesThatAreNoProtocolDoNotHurt) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<uint16_t>(node_->port()));
    inet_pton(AF_INET, "127.0.0.1", &where.sin_addr);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)), 0);
    std::string bytes = RandomBytes(2000, seed);
    if (seed % 2 == 1) bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes;
    (void)send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    close(fd);
  }
  EXPECT_TRUE(client_->Info().ok());
}

TEST(NodeOptionsTest, SenselessOptionsAreRefused) {
  const auto dir = *TempDir::Create("dilemma-node");
  const auto start = [&](auto change) {
    NodeOptions options;
    options.store = dir.path() / "store";
    change(options);
    return Node::Start(options).status();
  };
  EXPECT_FALSE(start([](NodeOptions& o) { o.slowdown = 0.5; }).ok());
  EXPECT_FALSE(start([](NodeOptions& o) { o.slowdown = NAN; }).ok());
  EXPECT_FALSE(start([](NodeOptions& o) { o.listen = "nowhere"; }).ok());
  EXPECT_FALSE(start([](NodeOptions& o) { o.threads = -1; }).ok());
  EXPECT_FALSE(start([](NodeOptions& o) { o.store = "/proc/nothing"; }).ok());
}

TEST(RingTroubleTest, TooLittleMemoryNamesTheServer) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10});
  NodeOptions options;
  options.memory_bytes = 8 << 20;
  LocalNodes nodes(2, options);
  const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  EXPECT_TRUE(absl::IsResourceExhausted(ring.status())) << ring.status();
  EXPECT_THAT(Says(ring.status()), HasSubstr("server '"));
  auto client = NodeClient::Connect(nodes.nodes[0]->address());
  EXPECT_EQ((*client)->Info()->open_stages, 0);
}

TEST(RingTroubleTest, AShardOfAnotherPlaceIsRefused) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10});
  std::swap(cut.plan.stages[0].shard, cut.plan.stages[1].shard);
  LocalNodes nodes(2);
  const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  EXPECT_TRUE(absl::IsInvalidArgument(ring.status())) << ring.status();
  EXPECT_THAT(Says(ring.status()), HasSubstr("server '"));
}

TEST(RingTroubleTest, AServerThatIsDownIsNamed) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10});
  LocalNodes nodes(2);
  nodes.nodes[1]->Stop();
  CoordinatorOptions options;
  options.connect_timeout_s = 0.5;
  const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards(), options);
  EXPECT_TRUE(absl::IsUnavailable(ring.status())) << ring.status();
  EXPECT_THAT(Says(ring.status()), HasSubstr("server 'b'"));
}

TEST(RingTroubleTest, AServerThatStopsMidwayIsNamed) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20});
  LocalNodes nodes(3);
  auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = cut.Tokens("Once upon a time");
  request.max_tokens = 200;
  int seen = 0;
  std::thread killer;
  const auto result = (*ring)->Generate(request, [&](int32_t) {
    if (++seen == 5) killer = std::thread([&] { nodes.nodes[1]->Stop(); });
    return true;
  });
  killer.join();
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(Says(result.status()), HasSubstr("server 'b'"));
  EXPECT_LT(seen, 200);
  EXPECT_FALSE((*ring)->Generate(request).ok());
  (*ring)->Close();
  ring->reset();
  auto client = NodeClient::Connect(nodes.nodes[0]->address());  // the others let go of their stages
  for (int i = 0; i < 100 && (*client)->Info()->open_stages > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ((*client)->Info()->open_stages, 0);
}

TEST(RingTroubleTest, AShardDamagedOnDiskIsNoticed) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10});
  TempDir kept = *TempDir::Create("dilemma-kept");
  NodeOptions options;
  options.name = "a";
  options.store = kept.path();
  const std::string& hash = cut.plan.stages[0].shard;
  {
    auto node = Node::Start(options);
    auto client = NodeClient::Connect((*node)->address());
    ASSERT_TRUE((*client)->SendShard(cut.shards() / (hash + ".gguf"), hash).ok());
  }
  {
    std::fstream file(kept.path() / (hash + ".gguf"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100'000);
    file.write("damage", 6);
  }
  LocalNodes nodes(2);
  nodes.nodes[0]->Stop();
  auto node = Node::Start(options);
  nodes.cluster.servers[0].address = (*node)->address();
  const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  EXPECT_TRUE(absl::IsDataLoss(ring.status())) << ring.status();
  EXPECT_THAT(Says(ring.status()), HasSubstr("server 'a'"));
  EXPECT_TRUE(Coordinator::Open(cut.plan, nodes.cluster, cut.shards()).ok());  // sent anew
}

}  // namespace
}  // namespace dilemma
