#include "tests/plan_fixture.h"

#include <cmath>

#include "base/status.h"
#include "cluster/profile.h"
#include "model/gguf_reader.h"
#include "quality/quality.h"

namespace dilemma::testing {
namespace {

constexpr const char* kTypes[] = {"q8_0", "q5_0", "q4_0"};

constexpr const char* kCluster = R"(
name = "test-servers"
default_latency = "2 ms"
default_bandwidth = "50 Mbit/s"
[[server]]
name = "gateway"
memory = "64 MiB"
[[server]]
name = "fast"
memory = "60 MiB"
[[server]]
name = "slow"
memory = "72 MiB"
emulated_slowdown = 3
[[server]]
name = "tiny"
memory = "40 MiB"
emulated_slowdown = 4
)";

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
      choice.loss = 0.02 * (u % 7 == 0 ? 3 : 1) * std::pow(0.25, BitsPerWeight(choice.mix.base) - 4.5);
      unit.choices.push_back(std::move(choice));
    }
    table.units.push_back(std::move(unit));
  }
  return table;
}

ServerProfile MakeServer(const Server& server) {
  ServerProfile p;
  p.server = server.name;
  p.memory_bytes = int64_t{4} << 30;
  p.base_rss_bytes = 16 << 20;
  p.stage_buffer_bytes = 4 << 20;
  p.stage_decode_s = 2e-4 * server.emulated_slowdown;
  p.stage_prefill_s = 4e-4 * server.emulated_slowdown;
  for (const char* type : kTypes) {
    const double time = 5e-5 * BitsPerWeight(*ParseTensorType(type)) * server.emulated_slowdown;
    p.times["layer"][type] = {time, 1e-7, time, time / 4};
    p.times["embedding"][type] = {1e-5, 0, 0, 1e-5};
    p.times["head"][type] = {2.5 * time, 0, 2.5 * time, time / 40};
  }
  return p;
}

Profile MakeProfile(const Cluster& cluster) {
  Profile profile;
  profile.cluster = cluster.name;
  profile.decode_context = 64;
  profile.prefill_chunk = 64;
  std::vector<std::string> places = {std::string(kUser)};
  for (const Server& server : cluster.servers) {
    places.push_back(server.name);
    profile.servers.push_back(MakeServer(server));
  }
  for (const std::string& from : places) {
    for (const std::string& to : places) {
      if (from == to) continue;
      const Link link = cluster.Between(from, to);
      profile.links.push_back({from, to, link.latency_s, link.bandwidth_bps});
    }
  }
  return profile;
}

}  // namespace

absl::StatusOr<PlanFixture> PlanFixture::Create() {
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-plan"));
  PlanFixture fixture(std::move(dir));
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(SmolModel()));
  ASSIGN_OR_RETURN(fixture.cluster_, ParseCluster(kCluster, "fixture"));
  ASSIGN_OR_RETURN(const QualityTable quality, MakeQuality(model));
  RETURN_IF_ERROR(WriteFileAtomically(fixture.At("cluster.toml"), ClusterToToml(fixture.cluster_)));
  RETURN_IF_ERROR(WriteJson(fixture.At("profile.json"), ProfileToJson(MakeProfile(fixture.cluster_))));
  RETURN_IF_ERROR(WriteJson(fixture.At("quality.json"), QualityToJson(quality)));
  return fixture;
}

CommandResult PlanFixture::Plan(const std::string& arguments) const {
  return Dilemma("plan '" + SmolModel().string() + "' -c '" + At("cluster.toml").string() + "' -p '" +
                 At("profile.json").string() + "' -q '" + At("quality.json").string() + "' -o '" +
                 At("plan.json").string() + "' " + arguments);
}

}  // namespace dilemma::testing
