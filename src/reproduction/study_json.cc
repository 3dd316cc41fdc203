#include "reproduction/study_json.h"

#include "fmt/format.h"

namespace dilemma {
namespace {

Json RunJson(const SolverRun& run) {
  return {{"status", run.status},
          {"seconds", run.seconds},
          {"objective_s", run.HasPlan() ? Json(run.objective_s) : Json(nullptr)},
          {"bound_s", run.bound_s},
          {"gap", run.HasPlan() ? Json(run.gap) : Json(nullptr)}};
}

// One field of a CSV line (RFC 4180); null is empty.
std::string Field(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  const std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

using Columns = std::vector<std::pair<std::string, std::string>>;  // title, JSON pointer

// A line for each of `rows`.
std::string Csv(const Columns& columns, const Json& rows) {
  std::string out;
  for (const auto& [title, pointer] : columns) out += (out.empty() ? "" : ",") + title;
  out += "\r\n";
  for (const Json& row : rows) {
    std::string line;
    for (const auto& [title, pointer] : columns) {
      const Json::json_pointer at(pointer);
      line +=
          (&title == &columns.front().first ? "" : ",") + (row.contains(at) ? Field(row[at]) : std::string());
    }
    out += line + "\r\n";
  }
  return out;
}

std::string CompletionCsv(const Json& points) {
  return Csv({{"at", "/at"},
              {"method", "/method"},
              {"request_s", "/request_s"},
              {"decode_s", "/decode_s"},
              {"prefill_s", "/prefill_s"},
              {"loss", "/loss"},
              {"within_budget", "/within_budget"},
              {"weight_bytes", "/weight_bytes"},
              {"servers", "/servers"},
              {"status", "/status"},
              {"reason", "/reason"}},
             points);
}

}  // namespace

Json ToJson(const MethodResult& c) {
  const bool planned = c.request_s > 0;
  const auto when = [planned](double value) { return planned ? Json(value) : Json(nullptr); };
  return {{"at", c.at},
          {"method", c.method},
          {"status", c.status},
          {"reason", c.reason},
          {"request_s", when(c.request_s)},
          {"decode_s", when(c.decode_s)},
          {"prefill_s", when(c.prefill_s)},
          {"loss", when(c.loss)},
          {"gap", when(c.gap)},
          {"within_budget", c.within_budget},
          {"weight_bytes", planned ? Json(c.weight_bytes) : Json(nullptr)},
          {"servers", c.servers}};
}

Json ToJson(const SolverComparison& c) {
  return {{"name", c.name},   {"units", c.units},        {"servers", c.servers},
          {"types", c.types}, {"ours", RunJson(c.ours)}, {"cbc", RunJson(c.cbc)}};
}

Json ModelJson(const StudyModel& model) {
  return {{"name", model.file.name},
          {"arch", model.file.arch},
          {"sha256", model.sha256},
          {"parameters", model.file.parameters()},
          {"stand_in", model.stand_in},
          {"planned_parameters", model.planned.parameters()},
          {"planned_width", model.planned.n_embd},
          {"layers", model.planned.n_layer}};
}

Json SettingJson(const Workload& workload) {
  Json servers = Json::array();
  for (const EdgeServer& server : PaperServers()) {
    servers.push_back({{"name", server.name},
                       {"what", server.what},
                       {"cores", server.cores},
                       {"clock_hz", server.clock_hz},
                       {"flop_per_cycle", server.flop_per_cycle},
                       {"memory_bytes_per_s", server.memory_bytes_per_s},
                       {"flops", server.ComputeRate()},
                       {"storage_share", server.storage_share},
                       {"compute_share", server.compute_share}});
  }
  return {{"servers", std::move(servers)},           {"compute_efficiency", kComputeEfficiency},
          {"memory_efficiency", kMemoryEfficiency},  {"link_latency_s", kLinkLatency},
          {"link_bps", Speeds{}.link_bps},           {"link_share", kLinkShare},
          {"prompt_tokens", workload.prompt_tokens}, {"output_tokens", workload.output_tokens}};
}

std::vector<std::pair<std::string, std::string>> StudyTables(const Json& study) {
  std::vector<std::pair<std::string, std::string>> out = {
      {"completion-link.csv", CompletionCsv(study["completion"]["link"]["points"])},
      {"completion-cpu.csv", CompletionCsv(study["completion"]["cpu"]["points"])},
      {"solver-time.csv", Csv({{"problem", "/name"},
                               {"ours_s", "/ours/seconds"},
                               {"ours_status", "/ours/status"},
                               {"cbc_s", "/cbc/seconds"},
                               {"cbc_status", "/cbc/status"},
                               {"cbc_gap", "/cbc/gap"}},
                              study["solver_time"]["cases"])},
      {"units.csv", Csv({{"unit", "/label"},
                         {"stage", "/stage"},
                         {"type", "/type"},
                         {"bits", "/bits"},
                         {"bytes", "/bytes"},
                         {"loss", "/loss"}},
                        study["plan"]["units"])}};
  if (study["quality"].contains("rows"))
    out.emplace_back("quality.csv", Csv({{"model", "/label"},
                                         {"weight_bytes", "/weight_bytes"},
                                         {"ratio", "/ratio"},
                                         {"exact_match", "/exact_match/mean"},
                                         {"f1", "/f1/mean"},
                                         {"loss", "/loss/mean"},
                                         {"loss_low", "/loss/low"},
                                         {"loss_high", "/loss/high"},
                                         {"loss_ratio", "/loss_ratio/mean"},
                                         {"loss_ratio_low", "/loss_ratio/low"},
                                         {"loss_ratio_high", "/loss_ratio/high"}},
                                        study["quality"]["rows"]));
  return out;
}

}  // namespace dilemma
