#include "cluster/profile.h"

#include <algorithm>

#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kVersion = 2;

Json TimeToJson(const UnitTime& time) {
  return {{"decode_s", time.decode_s},
          {"decode_s_per_ctx", time.decode_s_per_ctx},
          {"prefill_s", time.prefill_s},
          {"prefill_s_per_token", time.prefill_s_per_token}};
}

absl::StatusOr<double> NonNegative(const JsonField& json, std::string_view key) {
  ASSIGN_OR_RETURN(const double value, json.Number(key));
  if (value < 0) return json.Error(fmt::format("'{}' is negative", key));
  return value;
}

absl::StatusOr<UnitTime> TimeFromJson(const JsonField& json) {
  UnitTime time;
  ASSIGN_OR_RETURN(time.decode_s, NonNegative(json, "decode_s"));
  ASSIGN_OR_RETURN(time.decode_s_per_ctx, NonNegative(json, "decode_s_per_ctx"));
  ASSIGN_OR_RETURN(time.prefill_s, NonNegative(json, "prefill_s"));
  ASSIGN_OR_RETURN(time.prefill_s_per_token, NonNegative(json, "prefill_s_per_token"));
  return time;
}

Json ServerToJson(const ServerProfile& server) {
  Json times = Json::object();
  for (const auto& [kind, mixes] : server.times) {
    for (const auto& [mix, time] : mixes) times[kind][mix] = TimeToJson(time);
  }
  return {{"server", server.server},
          {"threads", server.threads},
          {"memory_bytes", server.memory_bytes},
          {"base_rss_bytes", server.base_rss_bytes},
          {"stage_buffer_bytes", server.stage_buffer_bytes},
          {"head_buffer_bytes", server.head_buffer_bytes},
          {"stage_decode_s", server.stage_decode_s},
          {"stage_prefill_s", server.stage_prefill_s},
          {"stage_prefill_s_per_token", server.stage_prefill_s_per_token},
          {"times", std::move(times)},
          {"left_out", server.left_out}};
}

absl::StatusOr<ServerProfile> ServerFromJson(const JsonField& json) {
  ServerProfile server;
  ASSIGN_OR_RETURN(server.server, json.String("server"));
  ASSIGN_OR_RETURN(const int64_t threads, json.Integer("threads"));
  server.threads = static_cast<int>(threads);
  ASSIGN_OR_RETURN(server.memory_bytes, json.Integer("memory_bytes"));
  ASSIGN_OR_RETURN(server.base_rss_bytes, json.Integer("base_rss_bytes"));
  ASSIGN_OR_RETURN(server.stage_buffer_bytes, json.Integer("stage_buffer_bytes"));
  ASSIGN_OR_RETURN(server.head_buffer_bytes, json.Integer("head_buffer_bytes"));
  ASSIGN_OR_RETURN(server.stage_decode_s, NonNegative(json, "stage_decode_s"));
  ASSIGN_OR_RETURN(server.stage_prefill_s, NonNegative(json, "stage_prefill_s"));
  ASSIGN_OR_RETURN(server.stage_prefill_s_per_token, NonNegative(json, "stage_prefill_s_per_token"));
  ASSIGN_OR_RETURN(const JsonField times, json.At("times"));
  if (!times.node().is_object()) return times.Error("expected an object");
  for (const auto& [kind, unused] : times.node().items()) {
    ASSIGN_OR_RETURN(const JsonField mixes, times.At(kind));
    if (!mixes.node().is_object()) return mixes.Error("expected an object");
    for (const auto& [mix, unused_time] : mixes.node().items()) {
      ASSIGN_OR_RETURN(const JsonField time, mixes.At(mix));
      ASSIGN_OR_RETURN(server.times[kind][mix], TimeFromJson(time));
    }
  }
  ASSIGN_OR_RETURN(const auto left_out, json.Items("left_out"));
  for (const JsonField& field : left_out) {
    ASSIGN_OR_RETURN(std::string sentence, field.String());
    server.left_out.push_back(std::move(sentence));
  }
  return server;
}

}  // namespace

absl::StatusOr<UnitTime> ServerProfile::Time(std::string_view kind, std::string_view mix) const {
  const auto mixes = times.find(std::string(kind));
  if (mixes != times.end()) {
    const auto exact = mixes->second.find(std::string(mix));
    if (exact != mixes->second.end()) return exact->second;
    // "q4_0+ffn_down=q5_0": the slower of q4_0 and q5_0
    UnitTime worst;
    std::string_view rest = mix;
    bool all = mix.find('+') != std::string_view::npos;
    while (all && !rest.empty()) {
      const size_t end = rest.find('+');
      std::string_view part = rest.substr(0, end);
      part = part.substr(part.find('=') + 1);  // npos + 1 == 0
      const auto it = mixes->second.find(std::string(part));
      all = it != mixes->second.end();
      if (all) {
        worst.decode_s = std::max(worst.decode_s, it->second.decode_s);
        worst.decode_s_per_ctx = std::max(worst.decode_s_per_ctx, it->second.decode_s_per_ctx);
        worst.prefill_s = std::max(worst.prefill_s, it->second.prefill_s);
        worst.prefill_s_per_token = std::max(worst.prefill_s_per_token, it->second.prefill_s_per_token);
      }
      rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    }
    if (all) return worst;
  }
  return NotFound(
      "server '{}' was not profiled for a {} in {}; run `dilemma profile` with that type on its menu", server,
      kind, mix);
}

const ServerProfile* Profile::Find(std::string_view server) const {
  const auto it =
      std::find_if(servers.begin(), servers.end(), [&](const auto& s) { return s.server == server; });
  return it == servers.end() ? nullptr : &*it;
}

bool Profile::Measured(std::string_view kind, std::string_view mix) const {
  return std::any_of(servers.begin(), servers.end(), [&](const auto& s) { return s.Time(kind, mix).ok(); });
}

absl::StatusOr<LinkProfile> Profile::Link(std::string_view from, std::string_view to) const {
  for (const LinkProfile& link : links) {
    if (link.from == from && link.to == to) return link;
  }
  return NotFound("the profile has no link from '{}' to '{}'; run `dilemma profile` again", from, to);
}

Json ProfileToJson(const Profile& profile) {
  Json servers = Json::array();
  for (const ServerProfile& server : profile.servers) servers.push_back(ServerToJson(server));
  Json links = Json::array();
  for (const LinkProfile& link : profile.links) {
    links.push_back({{"from", link.from},
                     {"to", link.to},
                     {"latency_s", link.latency_s},
                     {"bandwidth_bps", link.bandwidth_bps}});
  }
  return {{"format", "dilemma-profile"},
          {"version", kVersion},
          {"model", profile.model},
          {"cluster", profile.cluster},
          {"decode_context", profile.decode_context},
          {"prefill_chunk", profile.prefill_chunk},
          {"servers", std::move(servers)},
          {"links", std::move(links)}};
}

absl::StatusOr<Profile> ProfileFromJson(const JsonField& json) {
  RETURN_IF_ERROR(json.CheckFormat("dilemma-profile", kVersion, "dilemma profile"));
  Profile profile;
  ASSIGN_OR_RETURN(profile.model, json.String("model"));
  ASSIGN_OR_RETURN(profile.cluster, json.String("cluster"));
  ASSIGN_OR_RETURN(profile.decode_context, json.Integer("decode_context"));
  ASSIGN_OR_RETURN(profile.prefill_chunk, json.Integer("prefill_chunk"));
  if (profile.prefill_chunk < 1) return json.Error("'prefill_chunk' must be at least 1");
  ASSIGN_OR_RETURN(const auto servers, json.Items("servers"));
  for (const JsonField& item : servers) {
    ASSIGN_OR_RETURN(ServerProfile server, ServerFromJson(item));
    profile.servers.push_back(std::move(server));
  }
  ASSIGN_OR_RETURN(const auto links, json.Items("links"));
  for (const JsonField& item : links) {
    LinkProfile link;
    ASSIGN_OR_RETURN(link.from, item.String("from"));
    ASSIGN_OR_RETURN(link.to, item.String("to"));
    ASSIGN_OR_RETURN(link.latency_s, NonNegative(item, "latency_s"));
    ASSIGN_OR_RETURN(link.bandwidth_bps, item.Number("bandwidth_bps"));
    if (link.bandwidth_bps <= 0) return item.Error("'bandwidth_bps' must be above 0");
    profile.links.push_back(std::move(link));
  }
  return profile;
}

absl::StatusOr<Profile> ReadProfile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  return ProfileFromJson(JsonField(json, path.string()));
}

}  // namespace dilemma
