#include "reproduction/paper_cluster.h"

#include <algorithm>

#include "base/status.h"

namespace dilemma {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kNodeBytes = 24 * kMiB,
                  kStageBytes = 8 * kMiB;  // an empty node, and an open stage's buffers

double Bytes(const Unit& unit, const TypeMix& mix) {
  const auto bytes = UnitBytes(unit, mix);
  return bytes.ok() ? static_cast<double>(*bytes) : 0;
}

// What one token reads: of a table of embeddings one row, not all.
double BytesRead(const Unit& unit, const TypeMix& mix) {
  if (unit.kind != UnitKind::kEmbedding) return Bytes(unit, mix);
  double bytes = 0;
  for (const TensorInfo& tensor : unit.tensors) {
    const std::string role = TensorRole(tensor.name);
    const double row = static_cast<double>(tensor.shape[0]) * BitsPerWeight(mix.For(role)) / 8;
    const bool looked_up = role == "token_embd" || role == "position_embd";
    bytes += looked_up ? row : row * static_cast<double>(tensor.rows());
  }
  return bytes;
}

UnitTime TimeOf(const EdgeServer& server, double cpu, const ModelInfo& model, const Unit& unit,
                const TypeMix& mix, int64_t context) {
  const double compute = server.ComputeRate() * cpu, memory = server.MemoryRate() * cpu;
  const double flops = UnitFlopsPerToken(model, unit, context), read = BytesRead(unit, mix) / memory;
  UnitTime time;
  time.decode_s = std::max(flops / compute, read);
  time.prefill_s = read;
  // The head answers for the prompt's last token only.
  time.prefill_s_per_token = unit.kind == UnitKind::kHead ? 0 : flops / compute;
  if (unit.kind == UnitKind::kHead) time.prefill_s = time.decode_s;
  return time;
}

ServerProfile ProfileOf(const EdgeServer& server, double cpu, const ModelInfo& model,
                        const QualityTable& quality, const Workload& workload) {
  ServerProfile profile;
  profile.server = server.name;
  profile.threads = server.cores;
  profile.base_rss_bytes = kNodeBytes;
  profile.stage_buffer_bytes = kStageBytes;
  profile.head_buffer_bytes = model.n_vocab * static_cast<int64_t>(sizeof(float));
  const int64_t context = workload.prompt_tokens + workload.output_tokens / 2;
  for (size_t u = 0; u < model.units.size(); ++u)
    for (const Choice& choice : quality.units[u].choices)
      profile.times[std::string(Name(model.units[u].kind))].try_emplace(
          choice.mix.ToString(), TimeOf(server, cpu, model, model.units[u], choice.mix, context));
  return profile;
}

// The paper's storage limit is a limit on memory here, which methods that know of one limit alone keep as
// well.
Server ServerOf(const EdgeServer& edge, int64_t f16_bytes) {
  Server server;
  server.name = edge.name;
  server.memory_bytes =
      kNodeBytes + kStageBytes + static_cast<int64_t>(edge.storage_share * static_cast<double>(f16_bytes));
  server.compute_share = edge.compute_share;
  server.threads = edge.cores;
  return server;
}

}  // namespace

const std::vector<EdgeServer>& PaperServers() {
  static const auto& servers = *new std::vector<EdgeServer>{
      {"edge-board", "a single-board computer", 4, 1.5e9, 8, 4e9, 0.60, 1.0},
      {"edge-box", "a fanless mini PC", 4, 2.0e9, 16, 12.8e9, 0.35, 0.8},
      {"edge-desk", "a desktop computer", 4, 3.0e9, 16, 25.6e9, 0.18, 0.8},
      {"edge-server", "a small server that others use, too", 8, 2.5e9, 32, 51.2e9, 0.12, 0.5},
  };
  return servers;
}

Workload PaperWorkload() {
  Workload workload;
  workload.context = 512;
  workload.prompt_tokens = 200;
  workload.output_tokens = 24;
  return workload;
}

absl::StatusOr<int64_t> BytesAt(const ModelInfo& model, std::string_view type) {
  ASSIGN_OR_RETURN(const TensorType parsed, ParseTensorType(type));
  int64_t bytes = 0;
  for (const Unit& unit : model.units) {
    ASSIGN_OR_RETURN(const int64_t one, UnitBytes(unit, TypeMix{parsed, {}}));
    bytes += one;
  }
  return bytes;
}

absl::StatusOr<Setting> PaperSetting(const ModelInfo& model, const QualityTable& quality,
                                     const Workload& workload, const Speeds& speeds) {
  ASSIGN_OR_RETURN(const int64_t f16_bytes, BytesAt(model, "f16"));
  if (quality.units.size() != model.units.size())
    return InvalidArgument("the quality table has {} units, model '{}' has {}", quality.units.size(),
                           model.name, model.units.size());
  Setting setting;
  setting.cluster.name = setting.profile.cluster = "four edge servers";
  setting.cluster.default_latency_s = kLinkLatency;
  setting.cluster.default_bandwidth_bps = speeds.link_bps;
  setting.profile.model = model.name;
  setting.profile.decode_context = workload.prompt_tokens + (workload.output_tokens - 1) / 2;
  setting.profile.prefill_chunk = workload.context;
  std::vector<std::string> places;
  for (const EdgeServer& edge : PaperServers()) {
    setting.cluster.servers.push_back(ServerOf(edge, f16_bytes));
    setting.profile.servers.push_back(ProfileOf(edge, speeds.cpu, model, quality, workload));
    places.push_back(edge.name);
  }
  places.emplace_back(kUser);
  for (const std::string& from : places)
    for (const std::string& to : places) {
      if (from == to) continue;
      setting.profile.links.push_back({from, to, kLinkLatency, speeds.link_bps});
      Link link;
      link.from = from;
      link.to = to;
      link.latency_s = kLinkLatency;
      link.bandwidth_bps = speeds.link_bps;
      link.share = kLinkShare;
      link.symmetric = false;
      setting.cluster.links.push_back(std::move(link));
    }
  return setting;
}

}  // namespace dilemma
