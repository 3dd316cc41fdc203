// What planning again needs, made up: times do not matter where only who is there does.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cluster/profile.h"
#include "quality/quality.h"
#include "tests/ring_fixture.h"

namespace dilemma {

// Three servers that can each hold it all, alike; links and times are made up.
inline Profile MadeUpProfile(const ModelInfo& model, const Cluster& cluster) {
  Profile profile;
  profile.model = model.name;
  profile.cluster = cluster.name;
  profile.decode_context = 64;
  profile.prefill_chunk = 64;
  std::vector<std::string> places = {std::string(kUser)};
  for (const Server& server : cluster.servers) {
    places.push_back(server.name);
    ServerProfile entry;
    entry.server = server.name;
    entry.threads = 1;
    entry.memory_bytes = int64_t{1} << 30;
    entry.base_rss_bytes = int64_t{32} << 20;
    entry.stage_buffer_bytes = entry.head_buffer_bytes = int64_t{10} << 20;
    for (const char* kind : {"embedding", "layer", "head"}) {
      for (const char* type : {"q4_0", "q8_0"}) {
        UnitTime time;
        time.decode_s = 0.001;
        time.prefill_s = 0.001;
        entry.times[kind][type] = time;
      }
    }
    profile.servers.push_back(entry);
  }
  for (const std::string& from : places)
    for (const std::string& to : places)
      if (from != to) profile.links.push_back({from, to, 0.001, 1e9});
  return profile;
}

// Two types, of which the smaller one loses more.
inline QualityTable MadeUpQuality(const ModelInfo& model) {
  QualityTable table;
  table.kind = LossKind::kWeight;
  table.model = model.name;
  for (const Unit& unit : model.units) {
    UnitQuality entry;
    entry.unit = unit.Label();
    for (const auto& [type, loss] : {std::pair("q8_0", 0.001), std::pair("q4_0", 0.01)}) {
      Choice choice;
      choice.mix = *TypeMix::Parse(type);
      choice.bytes = *UnitBytes(unit, choice.mix);
      choice.loss = loss;
      entry.choices.push_back(choice);
    }
    table.units.push_back(entry);
  }
  return table;
}

}  // namespace dilemma
