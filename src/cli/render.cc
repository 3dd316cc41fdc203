#include "cli/render.h"

#include <algorithm>

#include "base/table.h"
#include "base/units.h"
#include "fmt/format.h"

namespace dilemma::cli {
namespace {

std::string Percent(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f} %", 100 * part / whole) : "-";
}

int64_t StageBytes(const PlanStage& stage) {
  return stage.weight_bytes + stage.kv_bytes + stage.buffer_bytes;
}

}  // namespace

std::string UnitRange(const ModelInfo& model, int first_unit, int last_unit) {
  std::vector<std::string> parts;
  int first_layer = -1, last_layer = -1;
  const int end = std::min(last_unit, static_cast<int>(model.units.size()) - 1);
  for (int u = first_unit; u <= end; ++u) {
    const Unit& unit = model.units[static_cast<size_t>(u)];
    if (unit.kind == UnitKind::kLayer) {
      if (first_layer < 0) {
        first_layer = unit.layer;
        parts.emplace_back();
      }
      last_layer = unit.layer;
    } else {
      parts.push_back(unit.Label());
    }
  }
  std::string out;
  for (std::string& part : parts) {
    if (part.empty()) {
      part = first_layer == last_layer ? fmt::format("layer {}", first_layer)
                                       : fmt::format("layers {}-{}", first_layer, last_layer);
    }
    out += (out.empty() ? "" : " + ") + part;
  }
  return out;
}

std::string RenderCluster(const Cluster& cluster) {
  Table table({"server", ">memory", ">compute", "links (one way)"});
  for (const Server& server : cluster.servers) {
    std::string links;
    for (const Server& other : cluster.servers) {
      if (other.name == server.name) continue;
      const Link link = cluster.Between(server.name, other.name);
      links += fmt::format("{}{} {} {}", links.empty() ? "" : ", ", other.name,
                           FormatDuration(link.latency_s), FormatBandwidth(link.bandwidth_bps));
    }
    table.Add({server.name, server.memory_bytes ? FormatBytes(*server.memory_bytes) : "machine's",
               server.emulated_slowdown == 1 ? "full" : fmt::format("1/{:g}", server.emulated_slowdown),
               links});
  }
  return table.ToString();
}

std::string RenderProfile(const Profile& profile) {
  Table times(
      {"server", "type", ">layer decode", ">layer prefill/token", ">head decode", ">stage", ">buffers"});
  for (const ServerProfile& server : profile.servers) {
    const auto layer = server.times.find("layer");
    if (layer == server.times.end()) continue;
    bool first = true;
    for (const auto& [type, time] : layer->second) {
      const auto head = server.Time("head", type);
      times.Add({first ? server.server : "", type, FormatDuration(time.decode_s),
                 FormatDuration(time.prefill_s_per_token), head.ok() ? FormatDuration(head->decode_s) : "-",
                 first ? FormatDuration(server.stage_decode_s) : "",
                 first ? FormatBytes(server.stage_buffer_bytes) : ""});
      first = false;
    }
  }
  Table links({"from", "to", ">latency", ">bandwidth"});
  for (const LinkProfile& link : profile.links) {
    links.Add({link.from, link.to, FormatDuration(link.latency_s), FormatBandwidth(link.bandwidth_bps)});
  }
  std::string left_out;
  for (const ServerProfile& server : profile.servers) {
    for (const std::string& sentence : server.left_out)
      left_out += fmt::format("no room on {} for {}\n", server.server, sentence);
  }
  return times.ToString() + "\n" + links.ToString() + left_out;
}

std::string RenderPlan(const Plan& plan, const ModelInfo& model) {
  Table table({"server", "units", "types", ">weights", ">KV + buffers", ">ms a token", ">of the delay"});
  const double all = plan.predicted.decode_s;
  double hops = plan.predicted.ring_s;
  for (const PlanStage& stage : plan.stages) {
    hops += stage.hop_decode_s;
    table.Add({stage.server, UnitRange(model, stage.first_unit, stage.last_unit), TypeSummary(stage.types),
               FormatBytes(stage.weight_bytes), FormatBytes(StageBytes(stage) - stage.weight_bytes),
               fmt::format("{:.2f}", stage.decode_s * 1e3), Percent(stage.decode_s, all)});
  }
  table.Add({"links", "", "", "", "", fmt::format("{:.2f}", hops * 1e3), Percent(hops, all)});
  std::string out = table.ToString();
  out += fmt::format(
      "\npredicted: {:.2f} ms a token, {:.1f} ms to the first token, {} for {} tokens after {}\n",
      plan.predicted.decode_s * 1e3, plan.predicted.prefill_s * 1e3, FormatDuration(plan.predicted.request_s),
      plan.workload.output_tokens, plan.workload.prompt_tokens);
  out += fmt::format("loss ({}): {:.5f} of {:.5f} allowed; {} by {} in {}{}\n", plan.loss_kind, plan.loss,
                     plan.loss_budget, plan.status, plan.method, FormatDuration(plan.solve_s),
                     plan.gap <= 1e-6 ? ", proven" : fmt::format(", gap {:.2g} %", 100 * plan.gap));
  if (plan.fp32_bytes > 0) {
    out += fmt::format(
        "size: {} of weights, {:.2f} % of the model in 32-bit floats\n", FormatBytes(plan.weight_bytes()),
        100.0 * static_cast<double>(plan.weight_bytes()) / static_cast<double>(plan.fp32_bytes));
  }
  for (const std::string& limit : plan.binding) out += "binds: " + limit + "\n";
  return out;
}

std::string RenderRing(const Plan& plan, const ModelInfo& model) {
  std::string out;
  size_t width = 0;
  for (const PlanStage& stage : plan.stages) width = std::max(width, stage.server.size());
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const PlanStage& stage = plan.stages[i];
    if (i > 0) out += fmt::format("  |     | hidden state, {:.2f} ms\n  |     v\n", stage.hop_decode_s * 1e3);
    out += fmt::format("  {}  ({:<{}})  {} in {}\n", i == 0 ? "+-->" : "|   ", stage.server, width,
                       UnitRange(model, stage.first_unit, stage.last_unit), TypeSummary(stage.types));
  }
  out += plan.stages.size() > 1 ? fmt::format("  |     | token id, {:.2f} ms (and to the user)\n  +-----+\n",
                                              plan.predicted.ring_s * 1e3)
                                : "  (one server: nothing crosses a link)\n";
  return out;
}

std::string RenderMeasured(const Plan& plan, const GenerateResult& result, double decode_s) {
  Table table(
      {"ms a token", ">compute predicted", ">measured", ">link into it predicted", ">measured", ">queue"});
  const auto ms = [](double seconds) { return fmt::format("{:.2f}", seconds * 1e3); };
  double explained = 0;
  for (size_t i = 0; i < std::min(plan.stages.size(), result.stages.size()); ++i) {
    const PlanStage& stage = plan.stages[i];
    const StageTimes& times = result.stages[i];
    explained += times.decode_compute_s + times.decode_queue_s + times.decode_wire_s;
    table.Add({stage.server, ms(stage.decode_s), ms(times.decode_compute_s),
               ms(i == 0 ? plan.predicted.ring_s : stage.hop_decode_s), ms(times.decode_wire_s),
               ms(times.decode_queue_s)});
  }
  return table.ToString() +
         fmt::format("a token took {} ms, {} ms were predicted; stages and links explain {} ms\n",
                     ms(decode_s), ms(plan.predicted.decode_s), ms(explained));
}

}  // namespace dilemma::cli
