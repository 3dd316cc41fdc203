// What was measured on a cluster: compute time of units by tensor type and server, link latency and
// bandwidth, and the memory that the runtime itself takes. Plain data with a JSON form (docs/formats.md).
// Written by the profiler room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace dilemma {

// Times of one kind of unit at one type mix, in seconds. `kind` is "embedding", "layer" or "head".
struct UnitTime {
  double decode_s = 0;             // one token at the profile's decode context
  double decode_s_per_ctx = 0;     // more for each further token of context
  double prefill_s = 0;            // a pass of prefill, however many tokens it has; up to prefill_chunk
  double prefill_s_per_token = 0;  // and for each of its tokens
};

struct ServerProfile {
  std::string server;
  int threads = 1;
  int64_t memory_bytes = 0;  // usable: the machine's own limit at the time (before a cluster file says less)
  int64_t base_rss_bytes = 0;  // resident size of a node that holds nothing
  // What one open stage takes beyond weights and KV cache (largest of those measured), and what the head
  // adds.
  int64_t stage_buffer_bytes = 0;
  int64_t head_buffer_bytes = 0;
  // Fixed cost of one pass through a stage (graph, copies): with one token, or of prefill and each of its
  // tokens.
  double stage_decode_s = 0;
  double stage_prefill_s = 0;
  double stage_prefill_s_per_token = 0;
  std::map<std::string, std::map<std::string, UnitTime>> times;  // kind -> type mix -> times
  std::vector<std::string> left_out;  // what the server has no room for, as sentences with the reason

  // The time for a kind and mix; a mix that was not measured is estimated as the worse of its parts' types.
  // NotFound where a type was not measured at all.
  absl::StatusOr<UnitTime> Time(std::string_view kind, std::string_view mix) const;
};

struct LinkProfile {
  std::string from, to;  // server names or "user"
  double latency_s = 0;  // one way, of a small message, the transport's own cost included
  double bandwidth_bps = 0;
};

struct Profile {
  std::string model;  // name of the model that the unit shapes came from
  std::string cluster;
  int64_t decode_context = 0;  // tokens in the KV cache while decode_s was measured
  int64_t prefill_chunk = 0;   // most tokens a pass of prefill; times hold up to it
  std::vector<ServerProfile> servers;
  std::vector<LinkProfile> links;  // every ordered pair, "user" included

  const ServerProfile* Find(std::string_view server) const;          // nullptr where there is none
  bool Measured(std::string_view kind, std::string_view mix) const;  // on one of the servers at least
  absl::StatusOr<LinkProfile> Link(std::string_view from, std::string_view to) const;
};

Json ProfileToJson(const Profile& profile);
absl::StatusOr<Profile> ProfileFromJson(const JsonField& json);
absl::StatusOr<Profile> ReadProfile(const std::filesystem::path& path);

}  // namespace dilemma
