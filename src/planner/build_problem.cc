#include "planner/build_problem.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "model/kv_cache.h"

namespace dilemma {
namespace {

constexpr double kTokenBytes = 4;             // a token id on the wire
constexpr double kMessageOverheadBytes = 64;  // positions, sequence ids and framing of a message
constexpr double kBitsPerByte = 8;

struct Inputs {
  const ModelInfo& model;
  const Cluster& cluster;
  const Profile& profile;
  const QualityTable& quality;
  const Workload& workload;
  const PlanLimits& limits;
};

absl::Status CheckInputs(const Inputs& in) {
  if (in.cluster.servers.empty()) return InvalidArgument("cluster '{}' has no servers", in.cluster.name);
  if (in.quality.units.size() != in.model.units.size())
    return InvalidArgument("the quality table of '{}' has {} units, the model '{}' has {}", in.quality.model,
                           in.quality.units.size(), in.model.name, in.model.units.size());
  const Workload& w = in.workload;
  if (w.context < 1 || w.users < 1 || w.prompt_tokens < 1 || w.output_tokens < 1)
    return InvalidArgument("workload: context, users, prompt and output tokens are at least 1 each");
  if (w.prompt_tokens + w.output_tokens > w.context)
    return InvalidArgument(
        "workload: {} prompt and {} output tokens do not fit in a context of {}: raise the context",
        w.prompt_tokens, w.output_tokens, w.context);
  return absl::OkStatus();
}

absl::Status FillUnits(const Inputs& in, Problem& p) {
  for (int u = 0; u < p.units; ++u) {
    const auto& choices = in.quality.units[static_cast<size_t>(u)].choices;
    p.unit_names[static_cast<size_t>(u)] = in.model.units[static_cast<size_t>(u)].Label();
    if (choices.empty())
      return InvalidArgument("quality table: {} has no types", p.unit_names[static_cast<size_t>(u)]);
    for (size_t q = 0; q < choices.size(); ++q) {
      const size_t uq = p.Uq(u, static_cast<int>(q));
      p.offered[uq] = 1;
      p.weight_bytes[uq] = choices[q].bytes;
      p.loss[uq] = choices[q].loss;
      p.type_names[uq] = choices[q].mix.ToString();
    }
  }
  return absl::OkStatus();
}

absl::Status FillMemory(const Inputs& in, int n, const ServerProfile& profile, Problem& p) {
  const auto i = static_cast<size_t>(n);
  const Server& server = in.cluster.servers[i];
  const int64_t limit = std::min(server.memory_bytes.value_or(kNoLimit),
                                 profile.memory_bytes > 0 ? profile.memory_bytes : kNoLimit);
  if (limit == kNoLimit)
    return InvalidArgument(
        "server '{}': neither the cluster file nor the profile says how much memory it has", server.name);
  p.memory_bytes[i] = std::max<int64_t>(0, limit - profile.base_rss_bytes);
  p.disk_bytes[i] = server.disk_bytes.value_or(kNoLimit);
  p.busy_limit_s[i] = server.max_busy_s_per_token.value_or(kNever);
  p.stage_bytes[i] = profile.stage_buffer_bytes;
  for (int u = 0; u < p.units; ++u) {
    const Unit& unit = in.model.units[static_cast<size_t>(u)];
    p.kv_bytes[static_cast<size_t>(u)] =
        unit.kv_bytes_per_token * CachedTokens(in.workload.context) * in.workload.users;
    p.fixed_bytes[p.Un(u, n)] = p.kv_bytes[static_cast<size_t>(u)];
    if (unit.kind == UnitKind::kHead) p.fixed_bytes[p.Un(u, n)] += profile.head_buffer_bytes;
    const bool sees_text = unit.kind != UnitKind::kLayer;
    p.allowed[p.Un(u, n)] = !server.forbidden && (server.trusted || !sees_text);
  }
  return absl::OkStatus();
}

absl::Status FillCompute(const Inputs& in, int n, const ServerProfile& profile, Problem& p) {
  const Server& server = in.cluster.servers[static_cast<size_t>(n)];
  const double share = server.compute_share;
  if (!(share > 0 && share <= 1))
    return InvalidArgument("server '{}': compute_share is {}, not in (0, 1]", server.name, share);
  const double mean_context =
      static_cast<double>(in.workload.prompt_tokens) + static_cast<double>(in.workload.output_tokens - 1) / 2;
  const double more_context = mean_context - static_cast<double>(in.profile.decode_context);
  p.stage.decode_s[static_cast<size_t>(n)] = profile.stage_decode_s / share;
  const int64_t chunk = std::max<int64_t>(1, in.profile.prefill_chunk);
  const auto prompt = static_cast<double>(in.workload.prompt_tokens);
  const auto passes = static_cast<double>((in.workload.prompt_tokens + chunk - 1) / chunk);
  p.stage.prefill_s[static_cast<size_t>(n)] =
      (passes * profile.stage_prefill_s + prompt * profile.stage_prefill_s_per_token) / share;
  for (int u = 0; u < p.units; ++u) {
    const std::string_view kind = Name(in.model.units[static_cast<size_t>(u)].kind);
    for (int q = 0; q < p.types; ++q) {
      const size_t at = p.At(u, n, q);
      if (!p.Offered(u, q) || server.forbidden) {
        p.compute.decode_s[at] = p.compute.prefill_s[at] = kNever;
        continue;
      }
      const std::string& mix = p.type_names[p.Uq(u, q)];
      const auto measured = profile.Time(kind, mix);
      if (!measured.ok() && in.profile.Measured(kind, mix)) {  // the server has no room for it
        p.compute.decode_s[at] = p.compute.prefill_s[at] = kNever;
        continue;
      }
      ASSIGN_OR_RETURN(const UnitTime time, measured);
      p.compute.decode_s[at] = std::max(0.0, time.decode_s + more_context * time.decode_s_per_ctx) / share;
      p.compute.prefill_s[at] = (passes * time.prefill_s + prompt * time.prefill_s_per_token) / share;
    }
  }
  return absl::OkStatus();
}

// Latency and rate that may be used from one place to another.
struct Wire {
  double latency_s = 0, bytes_per_s = 0;
  double Seconds(double bytes) const { return latency_s + (bytes + kMessageOverheadBytes) / bytes_per_s; }
  double Busy(double bytes) const { return (bytes + kMessageOverheadBytes) / bytes_per_s; }
};

absl::StatusOr<Wire> WireBetween(const Inputs& in, std::string_view from, std::string_view to) {
  ASSIGN_OR_RETURN(const LinkProfile measured, in.profile.Link(from, to));
  const double share = in.cluster.Between(from, to).share;
  if (!(measured.bandwidth_bps > 0) || !(share > 0))
    return InvalidArgument("link {} -> {}: bandwidth {} and share {} must be above 0", from, to,
                           measured.bandwidth_bps, share);
  return Wire{measured.latency_s, measured.bandwidth_bps * share / kBitsPerByte};
}

absl::Status FillLinks(const Inputs& in, Problem& p) {
  const double hidden = static_cast<double>(in.model.n_embd) * BytesPerValue(in.workload.wire);
  const auto prompt = static_cast<double>(in.workload.prompt_tokens);
  for (int n = 0; n < p.servers; ++n) {
    const Server& from = in.cluster.servers[static_cast<size_t>(n)];
    if (from.forbidden) continue;
    ASSIGN_OR_RETURN(const Wire enter, WireBetween(in, kUser, from.name));
    ASSIGN_OR_RETURN(const Wire leave, WireBetween(in, from.name, kUser));
    p.entry.prefill_s[static_cast<size_t>(n)] = enter.Seconds(kTokenBytes * prompt);
    p.exit.prefill_s[static_cast<size_t>(n)] = leave.Seconds(kTokenBytes);
    for (int m = 0; m < p.servers; ++m) {
      const Server& to = in.cluster.servers[static_cast<size_t>(m)];
      if (n == m || to.forbidden) continue;
      ASSIGN_OR_RETURN(const Wire wire, WireBetween(in, from.name, to.name));
      p.hop.decode_s[p.Nm(n, m)] = wire.Seconds(hidden);
      p.hop.prefill_s[p.Nm(n, m)] = wire.Seconds(hidden * prompt);
      p.link_busy.decode_s[p.Nm(n, m)] = wire.Busy(hidden);
      p.link_busy.prefill_s[p.Nm(n, m)] = wire.Busy(hidden * prompt);
      p.ring.decode_s[p.Nm(n, m)] = wire.Seconds(kTokenBytes);
    }
  }
  return absl::OkStatus();
}

absl::Status ApplyLimits(const Inputs& in, Problem& p) {
  const PlanLimits& limits = in.limits;
  p.loss_budget = limits.loss_budget.value_or(kNever);
  if (std::isnan(p.loss_budget) || p.loss_budget < 0)
    return InvalidArgument("loss budget: {} is not a number from 0", p.loss_budget);
  p.size_budget = limits.size_budget;
  if (limits.max_servers < 0)
    return InvalidArgument("largest number of servers: {} is negative", limits.max_servers);
  p.max_servers = limits.max_servers;
  p.one_block_per_server = limits.one_block_per_server;
  p.objective = limits.objective;
  for (const Pin& pin : limits.pins) {
    const int server = in.cluster.IndexOf(pin.server);
    if (server < 0)
      return InvalidArgument("pin: cluster '{}' has no server '{}'", in.cluster.name, pin.server);
    if (pin.first_unit < 0 || pin.last_unit < pin.first_unit || pin.last_unit >= p.units)
      return InvalidArgument("pin to '{}': units {}-{} are not within 0-{}", pin.server, pin.first_unit,
                             pin.last_unit, p.units - 1);
    for (int u = pin.first_unit; u <= pin.last_unit; ++u)
      for (int n = 0; n < p.servers; ++n)
        if (n != server) p.allowed[p.Un(u, n)] = 0;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Problem> BuildProblem(const ModelInfo& model, const Cluster& cluster, const Profile& profile,
                                     const QualityTable& quality, const Workload& workload,
                                     const PlanLimits& limits) {
  const Inputs in{model, cluster, profile, quality, workload, limits};
  RETURN_IF_ERROR(CheckInputs(in));
  size_t longest = 0;
  for (const UnitQuality& unit : quality.units) longest = std::max(longest, unit.choices.size());
  Problem p;
  p.Resize(static_cast<int>(model.units.size()), static_cast<int>(cluster.servers.size()),
           static_cast<int>(longest));
  p.decode_steps = static_cast<double>(workload.output_tokens - 1);
  RETURN_IF_ERROR(FillUnits(in, p));
  for (int n = 0; n < p.servers; ++n) {
    const Server& server = cluster.servers[static_cast<size_t>(n)];
    p.server_names[static_cast<size_t>(n)] = server.name;
    const ServerProfile* measured = profile.Find(server.name);
    const ServerProfile nothing;
    if (measured == nullptr && !server.forbidden)
      return NotFound("the profile has no server '{}': run `dilemma profile` on this cluster again",
                      server.name);
    const ServerProfile& usable = measured == nullptr ? nothing : *measured;
    if (measured != nullptr) RETURN_IF_ERROR(FillMemory(in, n, usable, p));
    RETURN_IF_ERROR(FillCompute(in, n, usable, p));
    if (server.forbidden)
      for (int u = 0; u < p.units; ++u) p.allowed[p.Un(u, n)] = 0;
  }
  RETURN_IF_ERROR(FillLinks(in, p));
  RETURN_IF_ERROR(ApplyLimits(in, p));
  p.Fold();
  RETURN_IF_ERROR(p.Check());
  return p;
}

}  // namespace dilemma
