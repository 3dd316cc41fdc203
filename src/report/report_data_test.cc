#include "report/report_data.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

TypeMix Mix(const char* text) { return *TypeMix::Parse(text); }

// Embedding and two layers on a, head on b.
Plan TwoStages() {
  Plan plan;
  plan.model_name = "m";
  plan.cluster = "c";
  plan.stages.resize(2);
  PlanStage& a = plan.stages[0];
  a.server = "a";
  a.last_unit = 2;
  a.types = {Mix("q8_0"), Mix("q4_0"), Mix("q4_0")};
  a.weight_bytes = 100;
  PlanStage& b = plan.stages[1];
  b.server = "b";
  b.first_unit = b.last_unit = 3;
  b.types = {Mix("q8_0")};
  plan.predicted.decode_s = 0.02;
  return plan;
}

Cluster ThreeServers() {
  return *ParseCluster("[[server]]\nname='a'\nmemory='1 MiB'\n[[server]]\nname='b'\n[[server]]\nname='c'\n",
                       "c.toml");
}

std::string ErrorOf(const ReportInputs& inputs) {
  return std::string(PlanReportData(inputs).status().message());
}

TEST(ReportData, OfAPlanAlone) {
  const Plan plan = TwoStages();
  const auto data = PlanReportData({.plan = &plan, .no_trade_off = "no planner"});
  ASSERT_TRUE(data.ok()) << data.status();
  const Json& units = (*data)["units"];
  ASSERT_EQ(units.size(), 4U);
  EXPECT_EQ(units[0]["label"], "embedding");
  EXPECT_EQ(units[2]["label"], "layer 1");
  EXPECT_EQ(units[3]["label"], "head");
  EXPECT_EQ(units[3]["stage"], 1);
  EXPECT_DOUBLE_EQ(units[1]["bits"].get<double>(), 4.5);
  EXPECT_TRUE(units[1]["loss"].is_null());
  EXPECT_EQ((*data)["cluster"]["servers"].size(), 2U);
  EXPECT_TRUE((*data)["cluster"]["servers"][0]["memory_bytes"].is_null());
  EXPECT_EQ((*data)["trade_off"]["missing"], "no planner");
  EXPECT_TRUE((*data)["measured"].is_null());
}

TEST(ReportData, MemoryLimitIsTheLesserOfFileAndMachine) {
  const Plan plan = TwoStages();
  const Cluster cluster = ThreeServers();
  Profile profile;
  for (const char* name : {"a", "b", "c"}) {
    ServerProfile server;
    server.server = name;
    server.memory_bytes = 2 << 20;
    server.base_rss_bytes = 7;
    profile.servers.push_back(server);
  }
  profile.links.push_back({"a", "b", 0.005, 1e6});
  const auto data = PlanReportData({.plan = &plan, .cluster = &cluster, .profile = &profile});
  ASSERT_TRUE(data.ok()) << data.status();
  const Json& servers = (*data)["cluster"]["servers"];
  ASSERT_EQ(servers.size(), 3U);
  EXPECT_EQ(servers[0]["memory_bytes"], 1 << 20);
  EXPECT_EQ(servers[1]["memory_bytes"], 2 << 20);
  EXPECT_EQ(servers[0]["node_bytes"], 7);
  EXPECT_EQ(servers[0]["weight_bytes"], 100);
  EXPECT_EQ(servers[2]["weight_bytes"], 0);
  const Json& links = (*data)["cluster"]["links"];
  ASSERT_EQ(links.size(), 12U);  // ordered pairs of three servers and the user
  EXPECT_EQ(links[0]["measured_latency_s"], 0.005);
  EXPECT_FALSE(links[1].contains("measured_latency_s"));
}

TEST(ReportData, RefusesFilesThatDoNotBelongTogether) {
  const Plan plan = TwoStages();
  const Cluster other = *ParseCluster("[[server]]\nname='a'\n", "other.toml");
  EXPECT_THAT(ErrorOf({.plan = &plan, .cluster = &other}), HasSubstr("server 'b'"));
  Profile profile;
  EXPECT_THAT(ErrorOf({.plan = &plan, .profile = &profile}), HasSubstr("server 'a'"));
  QualityTable quality;
  quality.units.resize(9);
  EXPECT_THAT(ErrorOf({.plan = &plan, .quality = &quality}), HasSubstr("has 9"));
  MeasuredRun run;
  run.stages.resize(1);
  EXPECT_THAT(ErrorOf({.plan = &plan, .measured = &run}), HasSubstr("another plan"));
  run.stages.resize(2);
  run.stages[0].server = "a";
  run.stages[1].server = "c";
  EXPECT_THAT(ErrorOf({.plan = &plan, .measured = &run}), HasSubstr("'c'"));
}

TEST(ReportData, PointsWithoutAPlanHaveNoTimes) {
  const Plan plan = TwoStages();
  TradeOff trade_off;
  trade_off.curve.push_back({.status = "infeasible", .budget = 0.1});
  trade_off.curve.push_back(
      {.status = "optimal", .budget = std::numeric_limits<double>::infinity(), .loss = 0.2, .request_s = 1});
  trade_off.here = {.status = "feasible", .loss = 0.2, .request_s = 1};
  const auto data = PlanReportData({.plan = &plan, .trade_off = &trade_off});
  ASSERT_TRUE(data.ok()) << data.status();
  const Json& curve = (*data)["trade_off"]["curve"];
  EXPECT_TRUE(curve[0]["request_s"].is_null());
  EXPECT_EQ(curve[1]["request_s"], 1);
  EXPECT_TRUE(curve[1]["budget"].is_null());
}

}  // namespace
}  // namespace dilemma
