#include "planner/build_problem.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/make_plan.h"
#include "planner/solver.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

TypeMix Mix(std::string_view text) { return TypeMix::Parse(text).value(); }

// A model of three units on two servers, made by hand.
struct Inputs {
  ModelInfo model;
  Cluster cluster;
  Profile profile;
  QualityTable quality;
  Workload workload;
  PlanLimits limits;

  Inputs() {
    model.name = "tiny";
    model.n_embd = 100;
    for (const UnitKind kind : {UnitKind::kEmbedding, UnitKind::kLayer, UnitKind::kHead}) {
      Unit unit;
      unit.kind = kind;
      unit.layer = kind == UnitKind::kLayer ? 0 : -1;
      unit.kv_bytes_per_token = kind == UnitKind::kLayer ? 8 : 0;
      model.units.push_back(unit);
      quality.units.push_back({unit.Label(), {{Mix("q8_0"), 1000, 0.0}, {Mix("q4_0"), 500, 0.5}}});
    }
    for (const char* name : {"a", "b"}) {
      Server server;
      server.name = name;
      cluster.servers.push_back(server);
      ServerProfile measured;
      measured.server = name;
      measured.memory_bytes = 10000;
      measured.base_rss_bytes = 1000;
      measured.stage_buffer_bytes = 50;
      measured.head_buffer_bytes = 70;
      measured.stage_decode_s = 1e-4;
      measured.stage_prefill_s = 2e-4;
      measured.stage_prefill_s_per_token = 1e-6;
      for (const char* kind : {"embedding", "layer", "head"})
        for (const char* mix : {"q8_0", "q4_0"}) measured.times[kind][mix] = {1e-3, 1e-6, 3e-4, 1e-5};
      profile.servers.push_back(measured);
    }
    profile.decode_context = 50;
    profile.prefill_chunk = 32;
    for (const char* from : {"a", "b", "user"})
      for (const char* to : {"a", "b", "user"})
        if (std::string_view(from) != to) profile.links.push_back({from, to, 2e-3, 8e6});
    workload.context = 512;
    workload.users = 2;
    workload.prompt_tokens = 64;
    workload.output_tokens = 11;
  }
  absl::StatusOr<Problem> Build() const {
    return BuildProblem(model, cluster, profile, quality, workload, limits);
  }
};

TEST(BuildProblem, TakesEveryFigureFromItsSource) {
  Inputs in;
  in.cluster.servers[1].memory_bytes = 5000;
  in.cluster.servers[0].compute_share = 0.5;
  const auto p = in.Build();
  ASSERT_TRUE(p.ok()) << p.status();
  EXPECT_EQ(p->memory_bytes[0], 9000);
  EXPECT_EQ(p->memory_bytes[1], 4000);
  EXPECT_EQ(p->stage_bytes[0], 50);
  EXPECT_EQ(p->fixed_bytes[p->Un(1, 0)], 8 * 512 * 2);
  EXPECT_EQ(p->fixed_bytes[p->Un(2, 0)], 70);
  EXPECT_DOUBLE_EQ(p->decode_steps, 10);
  const double mean_context = 64 + 5;
  EXPECT_NEAR(p->compute.decode_s[p->At(1, 1, 0)], 1e-3 + (mean_context - 50) * 1e-6, 1e-12);
  EXPECT_NEAR(p->compute.decode_s[p->At(1, 0, 0)], 2 * (1e-3 + (mean_context - 50) * 1e-6), 1e-12);
  EXPECT_NEAR(p->compute.prefill_s[p->At(1, 1, 0)], 2 * 3e-4 + 64e-5, 1e-12);  // two chunks
  EXPECT_NEAR(p->stage.prefill_s[1], 2 * 2e-4 + 64e-6, 1e-12);
  EXPECT_NEAR(p->hop.decode_s[p->Nm(0, 1)], 2e-3 + (400 + 64) * 8 / 8e6, 1e-12);
  EXPECT_NEAR(p->hop.prefill_s[p->Nm(0, 1)], 2e-3 + (400 * 64 + 64) * 8 / 8e6, 1e-12);
  EXPECT_NEAR(p->ring.decode_s[p->Nm(1, 0)], 2e-3 + (4 + 64) * 8 / 8e6, 1e-12);
  EXPECT_EQ(p->type_names[p->Uq(0, 1)], "q4_0");
}

TEST(BuildProblem, ATypeThatOneServerHasNoRoomForGoesElsewhere) {
  Inputs in;
  in.profile.servers[0].times["head"].erase("q8_0");
  const auto p = in.Build();
  ASSERT_TRUE(p.ok()) << p.status();
  EXPECT_FALSE(p->Possible(2, 0, 0));
  EXPECT_TRUE(p->Possible(2, 0, 1));
  EXPECT_TRUE(p->Possible(2, 1, 0));
  in.profile.servers[1].times["head"].erase("q8_0");
  const auto nowhere = in.Build();
  EXPECT_TRUE(absl::IsNotFound(nowhere.status())) << nowhere.status();
  EXPECT_NE(nowhere.status().message().find("dilemma profile"), std::string_view::npos);
}

TEST(BuildProblem, TrustAndForbiddenAndPins) {
  Inputs in;
  in.cluster.servers[1].trusted = false;
  auto p = in.Build();
  ASSERT_TRUE(p.ok());
  EXPECT_EQ(p->allowed, (std::vector<char>{1, 0, 1, 1, 1, 0}));
  in.cluster.servers[1].forbidden = true;
  in.profile.servers.pop_back();  // what is forbidden needs no profile
  p = in.Build();
  ASSERT_TRUE(p.ok()) << p.status();
  EXPECT_EQ(p->allowed, (std::vector<char>{1, 0, 1, 0, 1, 0}));
  in = Inputs();
  in.limits.pins = {{1, 1, "b"}};
  p = in.Build();
  ASSERT_TRUE(p.ok());
  EXPECT_EQ(p->allowed, (std::vector<char>{1, 1, 0, 1, 1, 1}));
}

TEST(BuildProblem, ErrorsNameTheSource) {
  Inputs in;
  in.profile.servers.pop_back();
  EXPECT_THAT(std::string(in.Build().status().message()), HasSubstr("'b'"));
  in = Inputs();
  in.quality.units.pop_back();
  EXPECT_THAT(std::string(in.Build().status().message()), HasSubstr("2 units"));
  in = Inputs();
  in.workload.context = 64;
  EXPECT_THAT(std::string(in.Build().status().message()), HasSubstr("context"));
  in = Inputs();
  in.limits.pins = {{1, 1, "c"}};
  EXPECT_THAT(std::string(in.Build().status().message()), HasSubstr("'c'"));
  in = Inputs();
  in.profile.links.clear();
  EXPECT_FALSE(in.Build().ok());
  in = Inputs();
  for (ServerProfile& server : in.profile.servers) server.times["layer"].erase("q4_0");
  EXPECT_FALSE(in.Build().ok());
}

TEST(MakePlan, GoesThereAndBack) {
  Inputs in;
  in.profile.servers[0].memory_bytes = 20000;
  const Problem p = in.Build().value();
  SolveResult result;
  result.assignment = {{0, 0}, {0, 1}, {1, 0}};
  result.status = SolveStatus::kFeasible;
  result.method = "by hand";
  PlanContext context;
  context.workload = in.workload;
  const auto plan = MakePlan(p, result, context);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->stages.size(), 2u);
  EXPECT_EQ(plan->stages[0].kv_bytes, 8 * 512 * 2);
  EXPECT_EQ(plan->stages[1].buffer_bytes, 50 + 70);
  EXPECT_EQ(plan->stages[0].types[1].ToString(), "q4_0");
  const Evaluation e = Evaluate(p, result.assignment);
  EXPECT_DOUBLE_EQ(plan->predicted.request_s, e.request_s);
  EXPECT_DOUBLE_EQ(plan->predicted.request_s, plan->predicted.prefill_s + 10 * plan->predicted.decode_s);
  const auto back = AssignmentOf(*plan, p);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, result.assignment);
}

TEST(MakePlan, RefusesWhatBreaksALimit) {
  Inputs in;
  in.limits.loss_budget = 0.25;
  const Problem p = in.Build().value();
  SolveResult result;
  result.assignment = {{0, 1}, {0, 1}, {0, 1}};
  EXPECT_FALSE(MakePlan(p, result, {}).ok());
  result.assignment.clear();
  result.reason = "memory of a";
  EXPECT_THAT(std::string(MakePlan(p, result, {}).status().message()), HasSubstr("memory of a"));
}

}  // namespace
}  // namespace dilemma
