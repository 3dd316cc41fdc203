// The same plan on llama.cpp's RPC servers: started, used, and nothing left behind; and what it refuses.
#include "runtime/llama_rpc.h"

#include "gmock/gmock.h"
#include "simulator/rpc_servers.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

TEST(LlamaRpcTest, SaysWhatOneProcessSays) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20}, UniformTypes(32, "q4_0"));
  const TempDir dir = *TempDir::Create("dilemma-rpc-test");
  Cluster cluster;
  cluster.name = "three";
  for (const std::string name : {"a", "b", "c"}) {
    Server server;
    server.name = name;
    cluster.servers.push_back(server);
  }
  const auto servers = EmulatedRpcServers::Start(cluster, {"a", "b", "c"}, DILEMMA_BINARY, dir.path());
  ASSERT_TRUE(servers.ok()) << servers.status();
  GenerateRequest request;
  request.prompt = cut.Tokens("Once upon a time");
  request.max_tokens = 40;
  const auto opened =
      OpenLlamaRpc(cut.plan, cut.whole(), {.addresses = (*servers)->addresses(), .end_tokens = {}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto result = (*opened)->Generate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, RunWhole(cut, request.prompt, 40, 64).tokens);
  EXPECT_EQ(result->token_s.size(), 39u);
}

TEST(LlamaRpcTest, LayersGoWhereThePlanHasThem) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20}, UniformTypes(32, "q4_0"));
  LlamaRpcOptions options;
  options.addresses = {{"a", "127.0.0.1:1"}, {"b", "127.0.0.1:2"}};
  EXPECT_THAT(std::string(Message(RpcPlacementOf(cut.plan, options).status())), HasSubstr("'c' has no"));
  options.addresses["c"] = "127.0.0.1:3";
  const auto placement = RpcPlacementOf(cut.plan, options);
  ASSERT_TRUE(placement.ok()) << placement.status();
  EXPECT_EQ(placement->servers[0].layers, 9);  // the embedding stays on the client
  EXPECT_EQ(placement->servers[1].layers, 10);
  EXPECT_EQ(placement->servers[2].layers, 12);  // with the head
  EXPECT_TRUE(absl::IsUnavailable(OpenLlamaRpc(cut.plan, cut.whole(), options).status()));
}

}  // namespace
}  // namespace dilemma
