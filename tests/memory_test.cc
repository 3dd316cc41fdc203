// What a node holds is what the plan said: weights, KV cache, the runtime's buffers, and the node itself.
#include <fstream>

#include "gmock/gmock.h"
#include "planner/build_problem.h"
#include "planner/make_plan.h"
#include "profiler/profiler.h"
#include "quantizer/weight_loss.h"
#include "runtime/client.h"
#include "tests/ring_fixture.h"
#include "tests/three_servers.h"

namespace dilemma {
namespace {

// As the kernel counts it, not as the node says.
int64_t ResidentBytesOf(int pid, std::string_view field) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field, 0) == 0) return std::stoll(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

// A profile as `dilemma profile` makes it, but for its times, which matter nothing here.
Profile MeasureQuickly(const Cluster& cluster, const ModelInfo& model, TensorType type) {
  ProfileOptions options;
  options.menu = {type};
  options.rounds = options.decode_repeats = options.prefill_repeats = 1;
  options.link.round_trips = 2;
  options.link.large_messages = 2;
  const auto profile = MeasureProfile(cluster, model, options);
  EXPECT_TRUE(profile.ok()) << profile.status();
  return *profile;
}

class MemoryTest : public testing::TestWithParam<Workload> {};

TEST_P(MemoryTest, ResidentSizeIsAsPlanned) {
  NEEDS_MODEL();
  const TempDir dir = *TempDir::Create("dilemma-memory");
  const auto emulated = EmulateThreeServers(dir.path() / "nodes");
  ASSERT_TRUE(emulated.ok()) << emulated.status();
  const Cluster& cluster = (*emulated)->cluster();
  const ModelInfo model = *ReadModel(TestModelPath());
  const TypeMix mix = *TypeMix::Parse("q8_0");
  const Profile profile = MeasureQuickly(cluster, model, mix.base);
  const QualityTable quality = *WeightLoss(model, std::span(&mix, 1));
  PlanContext context;
  context.model_name = model.name;
  context.arch = model.arch;
  context.workload = GetParam();
  const auto problem = BuildProblem(model, cluster, profile, quality, context.workload, {});
  ASSERT_TRUE(problem.ok()) << problem.status();
  SolveResult thirds;
  thirds.status = SolveStatus::kFeasible;
  for (int u = 0; u < problem->units; ++u) thirds.assignment.push_back({3 * u / problem->units, 0});
  auto plan = MakePlan(*problem, thirds, context);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->stages.size(), 3u);
  for (PlanStage& stage : plan->stages) {
    const auto part = dir.path() / "part";
    stage.shard = WriteShard(model, stage.first_unit, stage.last_unit, stage.types, part)->sha256;
    std::filesystem::rename(part, dir.path() / (stage.shard + ".gguf"));
  }
  const auto ring = Coordinator::Open(*plan, cluster, dir.path());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt.assign(200, 5);
  request.max_tokens = 20;
  ASSERT_TRUE((*ring)->Generate(request).ok());
  for (const PlanStage& stage : plan->stages) {
    const int64_t base = profile.Find(stage.server)->base_rss_bytes;
    const int64_t planned = base + stage.weight_bytes + stage.kv_bytes + stage.buffer_bytes;
    const int64_t measured = ResidentBytesOf((*emulated)->Pid(stage.server), "VmRSS:");
    const std::string figures = fmt::format(
        "server {}: planned {} = node {} + weights {} + KV cache {} + buffers {}; measured {} ({:+.1f} %), "
        "of which files and code {}; highest ever {}",
        stage.server, planned, base, stage.weight_bytes, stage.kv_bytes, stage.buffer_bytes, measured,
        100.0 * static_cast<double>(measured - planned) / static_cast<double>(planned),
        ResidentBytesOf((*emulated)->Pid(stage.server), "RssFile:"),
        ResidentBytesOf((*emulated)->Pid(stage.server), "VmHWM:"));
    RecordProperty("memory_" + stage.server, figures);
    fmt::print("{}\n", figures);
    EXPECT_NEAR(static_cast<double>(measured), static_cast<double>(planned), 0.1 * planned) << figures;
  }
}

INSTANTIATE_TEST_SUITE_P(Workloads, MemoryTest,
                         testing::Values(Workload{.context = 512}, Workload{.context = 300, .users = 3}));

}  // namespace
}  // namespace dilemma
