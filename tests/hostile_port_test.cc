// Random bytes and mutated messages against the port of a real node process: it lives, answers and does not
// grow. bench/hostile_bench sends many more.
#include "gtest/gtest.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"
#include "tests/hostile_node.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

constexpr int64_t kMessages = 3000, kConnections = 500;
// Caches, arenas and threads of the first messages; AddressSanitizer keeps back 256 MiB that were given free.
#ifdef __SANITIZE_ADDRESS__
constexpr int64_t kMayGrow = int64_t{48 + 256} << 20;
#else
constexpr int64_t kMayGrow = int64_t{48} << 20;
#endif

class HostilePortTest : public testing::TestWithParam<bool> {};

TEST_P(HostilePortTest, TheNodeLivesOn) {
  std::string metadata;
  if (std::filesystem::exists(TestModelPath()))
    metadata = MakeProbeShape(*ReadModel(TestModelPath()))->metadata;
  const auto node = HostileNode::Start(GetParam());
  ASSERT_TRUE(node.ok()) << node.status();
  HostileClient client((*node)->peer, metadata, 1);
  ASSERT_TRUE(client.SendMutatedMessages(kMessages / 3).ok());
  EXPECT_EQ(client.SendRandomBytes(kConnections / 3), kConnections / 3);
  const int64_t before = (*node)->ResidentBytesNow();
  const absl::Status sent = client.SendMutatedMessages(kMessages);
  EXPECT_TRUE(sent.ok()) << sent;
  EXPECT_EQ(client.SendRandomBytes(kConnections), kConnections);
  const absl::Status alive = (*node)->CheckAlive();
  EXPECT_TRUE(alive.ok()) << alive;
  EXPECT_LT((*node)->ResidentBytesNow(), before + kMayGrow);
}

INSTANTIATE_TEST_SUITE_P(Ports, HostilePortTest, testing::Values(true, false),
                         [](const auto& param) { return param.param ? "Tls" : "Plain"; });

}  // namespace
}  // namespace dilemma
