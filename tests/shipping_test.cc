// Weights move once: to all servers at the same time, on over a connection that breaks, and never again.
#include "runtime/shipping.h"

#include "gmock/gmock.h"
#include "runtime/client.h"
#include "simulator/link_proxy.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

std::string RandomBytes(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class ShippingTest : public testing::Test {
 protected:
  // One stage of so many bytes on each server; they are no shards that could be opened.
  Plan PlanFor(const LocalNodes& nodes, size_t bytes, unsigned seed) {
    Plan plan;
    for (const Server& server : nodes.cluster.servers) {
      PlanStage stage;
      stage.server = server.name;
      const std::string contents = RandomBytes(bytes, seed++);
      stage.shard = Sha256(contents);
      EXPECT_TRUE(WriteFileAtomically(ShardPath(dir_.path(), stage), contents).ok());
      plan.stages.push_back(stage);
    }
    return plan;
  }
  TempDir dir_ = *TempDir::Create("dilemma-shipping");
};

TEST_F(ShippingTest, ToAllServersAndASecondTimeNothing) {
  LocalNodes nodes(3);
  const Plan plan = PlanFor(nodes, 4'000'000, 1);
  const auto loop = *LinkLoop::Start();
  std::vector<std::shared_ptr<EmulatedLink>> links;
  std::vector<std::unique_ptr<LinkProxy>> proxies;
  for (Server& server : nodes.cluster.servers) {
    links.push_back(loop->AddLink({0.001, 100e6}));
    proxies.push_back(
        *loop->AddProxy({.target = server.address, .forward = links.back(), .backward = loop->AddLink({})}));
    server.address = proxies.back()->address();
  }
  const absl::Status shipped = ShipShards(plan, nodes.cluster, dir_.path(), {});
  ASSERT_TRUE(shipped.ok()) << shipped;

  std::vector<int64_t> before;
  for (const auto& link : links) before.push_back(link->delivered_bytes());
  ASSERT_TRUE(ShipShards(plan, nodes.cluster, dir_.path(), {}).ok());
  for (size_t k = 0; k < links.size(); ++k) {
    EXPECT_GT(before[k], 4'000'000);
    EXPECT_LT(links[k]->delivered_bytes() - before[k], 10'000) << "weights moved again to " << k;
  }
}

TEST_F(ShippingTest, ABrokenConnectionIsTakenUpWhereItBroke) {
  LocalNodes nodes(1);
  const Plan plan = PlanFor(nodes, 8'000'000, 7);
  const auto loop = *LinkLoop::Start();
  const auto link = loop->AddLink({0.001, 80e6});
  const auto proxy = *loop->AddProxy(
      {.target = nodes.cluster.servers[0].address, .forward = link, .backward = loop->AddLink({})});
  nodes.cluster.servers[0].address = proxy->address();
  int breaks = 0;
  CoordinatorOptions options;
  options.on_ship = [&](std::string_view, int64_t, int64_t) {
    if (link->delivered_bytes() > (breaks + 1) * 2'500'000 && breaks < 2) {
      ++breaks;
      proxy->ResetConnections();
    }
    return true;
  };
  const absl::Status shipped = ShipShards(plan, nodes.cluster, dir_.path(), options);
  ASSERT_TRUE(shipped.ok()) << shipped;
  EXPECT_GE(breaks, 1);
  EXPECT_LT(link->delivered_bytes(), 13'000'000) << "it began anew";
}

TEST_F(ShippingTest, AFullServerLetsGoOfWhatItDoesNotUse) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20});
  NodeOptions options;
  options.disk_bytes = 0;
  for (const PlanStage& stage : cut.plan.stages)
    options.disk_bytes = std::max(options.disk_bytes, stage.shard_bytes);
  options.disk_bytes = options.disk_bytes * 3 / 2;  // one, and none besides
  LocalNodes nodes(3, options);
  const auto client = *NodeClient::Connect(nodes.nodes[0]->address());
  const std::string contents = RandomBytes(static_cast<size_t>(options.disk_bytes * 9 / 10), 3);
  const auto other = dir_.path() / "other";
  ASSERT_TRUE(WriteFileAtomically(other, contents).ok());
  {
    const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
    ASSERT_TRUE(ring.ok()) << ring.status();
    EXPECT_TRUE(
        absl::IsResourceExhausted(client->SendShard(other, Sha256(contents)).status()));  // it is in use
  }
  const auto sent = client->SendShard(other, Sha256(contents));
  ASSERT_TRUE(sent.ok()) << sent.status();
  const auto info = client->Info();
  ASSERT_EQ(info->shards.size(), 1u);
  EXPECT_EQ(info->shards[0].sha256, Sha256(contents));
}

}  // namespace
}  // namespace dilemma
