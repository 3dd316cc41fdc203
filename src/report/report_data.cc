#include "report/report_data.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kVersion = 1;

UnitKind KindOf(const ReportInputs& in, int unit) {
  if (in.model != nullptr) return in.model->units[static_cast<size_t>(unit)].kind;
  if (unit == 0) return UnitKind::kEmbedding;
  return unit == in.plan->units() - 1 ? UnitKind::kHead : UnitKind::kLayer;
}

std::string LabelOf(const ReportInputs& in, int unit) {
  if (in.model != nullptr) return in.model->units[static_cast<size_t>(unit)].Label();
  const UnitKind kind = KindOf(in, unit);
  return kind == UnitKind::kLayer ? fmt::format("layer {}", unit - 1) : std::string(Name(kind));
}

double BitsOf(const ReportInputs& in, int unit, const TypeMix& mix) {
  return in.model != nullptr ? UnitBitsPerWeight(in.model->units[static_cast<size_t>(unit)], mix)
                             : BitsPerWeight(mix.base);
}

absl::Status CheckServers(const ReportInputs& in) {
  for (const PlanStage& stage : in.plan->stages) {
    if (in.cluster != nullptr && in.cluster->IndexOf(stage.server) < 0) {
      return InvalidArgument("the plan uses server '{}', which cluster '{}' does not have", stage.server,
                             in.cluster->name);
    }
    if (in.profile != nullptr && in.profile->Find(stage.server) == nullptr) {
      return InvalidArgument("the plan uses server '{}', which the profile of cluster '{}' does not have",
                             stage.server, in.profile->cluster);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMeasured(const ReportInputs& in) {
  if (in.measured == nullptr || in.measured->stages.empty()) return absl::OkStatus();
  const auto& stages = in.plan->stages;
  const auto& measured = in.measured->stages;
  if (stages.size() != measured.size()) {
    return InvalidArgument("the measured run has {} stages, the plan {}; it is a run of another plan",
                           measured.size(), stages.size());
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].server != measured[i].server) {
      return InvalidArgument(
          "stage {} of the measured run is on '{}', that of the plan on '{}'; it is a run of "
          "another plan",
          i, measured[i].server, stages[i].server);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInputs(const ReportInputs& in) {
  const auto units = static_cast<size_t>(in.plan->units());
  if (in.model != nullptr && in.model->units.size() != units) {
    return InvalidArgument("the plan has {} units, model '{}' has {}", units, in.model->name,
                           in.model->units.size());
  }
  if (in.quality != nullptr && in.quality->units.size() != units) {
    return InvalidArgument("the plan has {} units, the quality table of '{}' has {}", units,
                           in.quality->model, in.quality->units.size());
  }
  RETURN_IF_ERROR(CheckServers(in));
  return CheckMeasured(in);
}

Json UnitsJson(const ReportInputs& in) {
  Json units = Json::array();
  for (size_t s = 0; s < in.plan->stages.size(); ++s) {
    const PlanStage& stage = in.plan->stages[s];
    for (int u = stage.first_unit; u <= stage.last_unit; ++u) {
      const TypeMix& mix = stage.types[static_cast<size_t>(u - stage.first_unit)];
      const Choice* choice = in.quality != nullptr ? in.quality->Find(u, mix) : nullptr;
      units.push_back({{"label", LabelOf(in, u)},
                       {"kind", Name(KindOf(in, u))},
                       {"stage", s},
                       {"type", mix.ToString()},
                       {"bits", BitsOf(in, u, mix)},
                       {"bytes", choice != nullptr ? Json(choice->bytes) : Json(nullptr)},
                       {"loss", choice != nullptr ? Json(choice->loss) : Json(nullptr)}});
    }
  }
  return units;
}

Json StagesJson(const Plan& plan) {
  Json stages = Json::array();
  for (const PlanStage& stage : plan.stages) {
    stages.push_back({{"server", stage.server},
                      {"first_unit", stage.first_unit},
                      {"last_unit", stage.last_unit},
                      {"weight_bytes", stage.weight_bytes},
                      {"kv_bytes", stage.kv_bytes},
                      {"buffer_bytes", stage.buffer_bytes},
                      {"decode_s", stage.decode_s},
                      {"prefill_s", stage.prefill_s},
                      {"hop_decode_s", stage.hop_decode_s},
                      {"hop_prefill_s", stage.hop_prefill_s}});
  }
  return stages;
}

// The lesser of what the cluster file allows and what the machine was found to have; null where neither says.
Json MemoryLimit(const Server* server, const ServerProfile* profile) {
  Json limit = nullptr;
  if (server != nullptr && server->memory_bytes.has_value()) limit = *server->memory_bytes;
  if (profile != nullptr && profile->memory_bytes > 0 &&
      (limit.is_null() || profile->memory_bytes < limit.get<int64_t>())) {
    limit = profile->memory_bytes;
  }
  return limit;
}

Json ServerJson(const ReportInputs& in, const std::string& name) {
  const Server* server = nullptr;
  if (in.cluster != nullptr) {
    const int index = in.cluster->IndexOf(name);
    if (index >= 0) server = &in.cluster->servers[static_cast<size_t>(index)];
  }
  const ServerProfile* profile = in.profile != nullptr ? in.profile->Find(name) : nullptr;
  int64_t weights = 0, kv = 0, buffers = 0;
  for (const PlanStage& stage : in.plan->stages) {
    if (stage.server != name) continue;
    weights += stage.weight_bytes;
    kv += stage.kv_bytes;
    buffers += stage.buffer_bytes;
  }
  Json json = {{"name", name},
               {"memory_bytes", MemoryLimit(server, profile)},
               {"node_bytes", profile != nullptr ? Json(profile->base_rss_bytes) : Json(nullptr)},
               {"weight_bytes", weights},
               {"kv_bytes", kv},
               {"buffer_bytes", buffers}};
  if (server != nullptr) {
    json["compute_share"] = server->compute_share;
    json["emulated_slowdown"] = server->emulated_slowdown;
    json["trusted"] = server->trusted;
    json["forbidden"] = server->forbidden;
    if (server->disk_bytes.has_value()) json["disk_bytes"] = *server->disk_bytes;
  }
  return json;
}

std::vector<std::string> ServerNames(const ReportInputs& in) {
  std::vector<std::string> names;
  if (in.cluster != nullptr) {
    for (const Server& server : in.cluster->servers) names.push_back(server.name);
    return names;
  }
  std::set<std::string> seen;
  for (const PlanStage& stage : in.plan->stages) {
    if (seen.insert(stage.server).second) names.push_back(stage.server);
  }
  return names;
}

// Every ordered pair of places that cluster file or profile say something about.
Json LinksJson(const ReportInputs& in, const std::vector<std::string>& servers) {
  Json links = Json::array();
  if (in.cluster == nullptr && in.profile == nullptr) return links;
  std::vector<std::string> places = servers;
  places.emplace_back(kUser);
  for (const std::string& from : places) {
    for (const std::string& to : places) {
      if (from == to) continue;
      Json link = {{"from", from}, {"to", to}};
      if (in.cluster != nullptr) {
        const Link given = in.cluster->Between(from, to);
        link["latency_s"] = given.latency_s;
        link["bandwidth_bps"] = given.bandwidth_bps;
      }
      if (in.profile != nullptr) {
        if (const auto measured = in.profile->Link(from, to); measured.ok()) {
          link["measured_latency_s"] = measured->latency_s;
          link["measured_bandwidth_bps"] = measured->bandwidth_bps;
        }
      }
      links.push_back(std::move(link));
    }
  }
  return links;
}

Json MeasuredJson(const MeasuredRun* run) {
  if (run == nullptr) return nullptr;
  Json stages = Json::array();
  for (const MeasuredStage& stage : run->stages) {
    stages.push_back({{"server", stage.server},
                      {"decode_compute_s", stage.decode_compute_s},
                      {"decode_queue_s", stage.decode_queue_s},
                      {"decode_wire_s", stage.decode_wire_s},
                      {"prefill_compute_s", stage.prefill_compute_s}});
  }
  return {{"decode_s", run->decode_s},
          {"prefill_s", run->prefill_s},
          {"prompt_tokens", run->prompt_tokens},
          {"output_tokens", run->output_tokens},
          {"stages", std::move(stages)}};
}

Json PointJson(const TradeOffPoint& point) {
  const bool planned = point.status == "optimal" || point.status == "feasible";
  const auto when = [](bool has, double value) { return has ? Json(value) : Json(nullptr); };
  Json json = {{"status", point.status},
               {"budget", when(std::isfinite(point.budget), point.budget)},
               {"loss", when(planned, point.loss)},
               {"request_s", when(planned, point.request_s)},
               {"decode_s", when(planned, point.decode_s)},
               {"prefill_s", when(planned, point.prefill_s)},
               {"bound_s", when(planned && std::isfinite(point.bound_s), point.bound_s)},
               {"gap", when(planned, point.gap)},
               {"servers", point.servers}};
  if (!point.name.empty()) json["name"] = point.name;
  return json;
}

Json ModelJson(const ReportInputs& in) {
  Json json = {{"name", in.plan->model_name}, {"arch", in.plan->arch}, {"sha256", in.plan->model_sha256}};
  if (in.model != nullptr) {
    json["parameters"] = in.model->parameters();
    json["file_bytes"] = in.model->file_bytes;
    json["n_layer"] = in.model->n_layer;
    json["n_embd"] = in.model->n_embd;
  }
  return json;
}

}  // namespace

Json TradeOffToJson(const TradeOff& trade_off) {
  Json curve = Json::array(), others = Json::array();
  for (const TradeOffPoint& point : trade_off.curve) curve.push_back(PointJson(point));
  for (const TradeOffPoint& point : trade_off.others) others.push_back(PointJson(point));
  return {{"curve", std::move(curve)}, {"others", std::move(others)}, {"here", PointJson(trade_off.here)}};
}

absl::StatusOr<Json> PlanReportData(const ReportInputs& in) {
  RETURN_IF_ERROR(CheckInputs(in));
  const Plan& plan = *in.plan;
  const std::vector<std::string> names = ServerNames(in);
  Json servers = Json::array();
  for (const std::string& name : names) servers.push_back(ServerJson(in, name));
  const std::string cluster = plan.cluster.empty() ? "a cluster" : plan.cluster;
  return Json{
      {"format", "dilemma-report"},
      {"version", kVersion},
      {"kind", "plan"},
      {"title", fmt::format("{} on {}", plan.model_name, cluster)},
      {"model", ModelJson(in)},
      {"cluster", {{"name", plan.cluster}, {"servers", std::move(servers)}, {"links", LinksJson(in, names)}}},
      {"workload",
       {{"context", plan.workload.context},
        {"users", plan.workload.users},
        {"prompt_tokens", plan.workload.prompt_tokens},
        {"output_tokens", plan.workload.output_tokens},
        {"wire", Name(plan.workload.wire)}}},
      {"units", UnitsJson(in)},
      {"stages", StagesJson(plan)},
      {"predicted",
       {{"decode_s", plan.predicted.decode_s},
        {"prefill_s", plan.predicted.prefill_s},
        {"request_s", plan.predicted.request_s},
        {"ring_s", plan.predicted.ring_s}}},
      {"quality", {{"kind", plan.loss_kind}, {"loss", plan.loss}, {"budget", plan.loss_budget}}},
      {"solver",
       {{"method", plan.method},
        {"status", plan.status},
        {"bound_s", plan.bound_s},
        {"gap", plan.gap},
        {"seconds", plan.solve_s}}},
      {"binding", plan.binding},
      {"explanation", plan.explanation.empty() ? Json(nullptr) : ExplanationToJson(plan.explanation)},
      {"measured", MeasuredJson(in.measured)},
      {"trade_off",
       in.trade_off == nullptr ? Json{{"missing", in.no_trade_off}} : TradeOffToJson(*in.trade_off)}};
}

}  // namespace dilemma
