#include "tests/report_fixture.h"

#include "base/status.h"
#include "planner/build_problem.h"
#include "planner/make_plan.h"
#include "planner/solver.h"

namespace dilemma {
namespace {

constexpr int kLayers = 24, kWidth = 768;
constexpr int64_t kLayerWeights = 7'000'000, kVocabularyWeights = 19'000'000;
constexpr const char* kTypes[] = {"q8_0", "q6_k", "q5_0", "q4_0", "q3_k"};

constexpr const char* kCluster = R"(
name = "four-servers"
default_latency = "2 ms"
default_bandwidth = "200 Mbit/s"
[[server]]
name = "gateway"
memory = "80 MiB"
[[server]]
name = "edge-fast"
memory = "96 MiB"
[[server]]
name = "edge-slow"
memory = "128 MiB"
emulated_slowdown = 3
[[server]]
name = "tiny"
memory = "40 MiB"
emulated_slowdown = 4
[[link]]
from = "user"
to = "gateway"
latency = "0.3 ms"
bandwidth = "1 Gbit/s"
)";

TensorInfo Matrix(std::string name, int64_t weights, int64_t& offset) {
  TensorInfo tensor;
  tensor.name = std::move(name);
  tensor.shape = {kWidth, weights / kWidth, 1, 1};
  tensor.type = *ParseTensorType("f16");
  tensor.bytes = 2 * tensor.elements();
  tensor.offset = offset;
  tensor.quantizable = true;
  offset += tensor.bytes;
  return tensor;
}

ModelInfo MakeModel() {
  ModelInfo model;
  model.name = "Fixture-200M";
  model.arch = "llama";
  model.n_layer = kLayers;
  model.n_embd = kWidth;
  int64_t offset = 0;
  for (int u = 0; u < kLayers + 2; ++u) {
    Unit unit;
    if (u == 0) {
      unit.kind = UnitKind::kEmbedding;
      unit.tensors.push_back(Matrix("token_embd.weight", kVocabularyWeights, offset));
    } else if (u > kLayers) {
      unit.kind = UnitKind::kHead;
      unit.tensors.push_back(Matrix("output.weight", kVocabularyWeights, offset));
    } else {
      unit.layer = u - 1;
      unit.tensors.push_back(Matrix(fmt::format("blk.{}.ffn_down.weight", u - 1), kLayerWeights, offset));
      unit.kv_bytes_per_token = 1024;
    }
    model.units.push_back(std::move(unit));
  }
  model.file_bytes = offset;
  return model;
}

absl::StatusOr<QualityTable> MakeQuality(const ModelInfo& model) {
  QualityTable table;
  table.model = model.name;
  for (size_t u = 0; u < model.units.size(); ++u) {
    UnitQuality unit;
    unit.unit = model.units[u].Label();
    for (const char* type : kTypes) {
      Choice choice;
      ASSIGN_OR_RETURN(choice.mix, TypeMix::Parse(type));
      ASSIGN_OR_RETURN(choice.bytes, UnitBytes(model.units[u], choice.mix));
      // Halves with every bit; first and last units matter more.
      const double weight = 1 + 2.0 * static_cast<double>(u % 7 == 0) + (u < 2 ? 3 : 0);
      choice.loss = 0.02 * weight * std::pow(0.25, BitsPerWeight(choice.mix.base) - 3);
      unit.choices.push_back(std::move(choice));
    }
    table.units.push_back(std::move(unit));
  }
  return table;
}

Profile MakeProfile(const Cluster& cluster) {
  Profile profile;
  profile.cluster = cluster.name;
  profile.decode_context = 64;
  profile.prefill_chunk = 64;
  std::vector<std::string> places = {std::string(kUser)};
  for (const Server& server : cluster.servers) {
    places.push_back(server.name);
    ServerProfile p;
    p.server = server.name;
    p.memory_bytes = int64_t{4} << 30;
    p.base_rss_bytes = 9 << 20;
    p.stage_buffer_bytes = 4 << 20;
    p.head_buffer_bytes = 2 << 20;
    p.stage_decode_s = 2e-4 * server.emulated_slowdown;
    p.stage_prefill_s = 4e-4 * server.emulated_slowdown;
    for (const char* type : kTypes) {
      const double bits = BitsPerWeight(*ParseTensorType(type));
      const double time = (bits == 8.5 ? 0.7 : 0.4 + 0.05 * bits) * 1e-3 * server.emulated_slowdown;
      p.times["layer"][type] = {time, 1e-7, time, time / 4};
      p.times["embedding"][type] = {1e-5, 0, 0, 1e-5};
      p.times["head"][type] = {2.5 * time, 0, 2.5 * time, time / 40};
    }
    profile.servers.push_back(std::move(p));
  }
  for (const std::string& from : places) {
    for (const std::string& to : places) {
      if (from == to) continue;
      const Link link = cluster.Between(from, to);
      profile.links.push_back({from, to, link.latency_s * 1.1, link.bandwidth_bps * 0.93});
    }
  }
  return profile;
}

MeasuredRun MakeRun(const Plan& plan) {
  MeasuredRun run;
  run.prompt_tokens = plan.workload.prompt_tokens;
  run.output_tokens = 48;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const PlanStage& stage = plan.stages[i];
    const double wire = i > 0 ? stage.hop_decode_s : plan.predicted.ring_s;
    run.stages.push_back({stage.server, 1.04 * stage.decode_s, 2e-4, 1.1 * wire, 0.97 * stage.prefill_s});
  }
  run.decode_s = 1.09 * plan.predicted.decode_s;
  run.prefill_s = 1.05 * plan.predicted.prefill_s;
  return run;
}

Plan SpreadPlan(const ReportFixture& fixture) {
  Plan plan;
  plan.model_name = fixture.model.name;
  plan.arch = fixture.model.arch;
  plan.model_sha256 = std::string(64, 'a');
  plan.cluster = fixture.cluster.name;
  plan.workload = fixture.workload;
  plan.loss_kind = "weight";
  plan.method = "spread";
  plan.status = "feasible";
  const int units = static_cast<int>(fixture.model.units.size());
  const int servers = static_cast<int>(fixture.cluster.servers.size());
  for (int n = 0; n < servers; ++n) {
    PlanStage stage;
    stage.server = fixture.cluster.servers[static_cast<size_t>(n)].name;
    stage.first_unit = n * units / servers;
    stage.last_unit = (n + 1) * units / servers - 1;
    for (int u = stage.first_unit; u <= stage.last_unit; ++u) {
      const auto& choices = fixture.quality.units[static_cast<size_t>(u)].choices;
      const Choice& choice = choices[static_cast<size_t>(u) % choices.size()];
      stage.types.push_back(choice.mix);
      stage.weight_bytes += choice.bytes;
      stage.decode_s += 1e-3;
      stage.prefill_s += 2e-2;
    }
    stage.kv_bytes = 2 << 20;
    stage.buffer_bytes = 4 << 20;
    if (n > 0) stage.hop_decode_s = stage.hop_prefill_s = 2.3e-3;
    plan.stages.push_back(std::move(stage));
  }
  plan.predicted = {0.035, 0.6, 2.8, 2.2e-3};
  return plan;
}

}  // namespace

absl::StatusOr<ReportFixture> MakeReportFixture() {
  ReportFixture f;
  f.model = MakeModel();
  ASSIGN_OR_RETURN(f.cluster, ParseCluster(kCluster, "fixture.toml"));
  f.profile = MakeProfile(f.cluster);
  ASSIGN_OR_RETURN(f.quality, MakeQuality(f.model));
  f.workload.context = 256;
  PlanLimits limits;
  limits.loss_budget = 0.25;
  ASSIGN_OR_RETURN(f.problem, BuildProblem(f.model, f.cluster, f.profile, f.quality, f.workload, limits));
  f.plan = SpreadPlan(f);
  f.measured = MakeRun(f.plan);
  return f;
}

absl::Status SolvePlan(ReportFixture& f) {
  ASSIGN_OR_RETURN(const auto solver, MakeSolver(kDefaultSolver));
  SolveOptions options;
  options.gap = 0.02;
  const SolveResult result = solver->Solve(f.problem, options);
  PlanContext context;
  context.model_name = f.model.name;
  context.arch = f.model.arch;
  context.model_sha256 = f.plan.model_sha256;
  context.cluster = f.cluster.name;
  context.workload = f.workload;
  ASSIGN_OR_RETURN(f.plan, MakePlan(f.problem, result, context));
  f.measured = MakeRun(f.plan);
  return absl::OkStatus();
}

}  // namespace dilemma
