// The file that names the models of a fleet (TOML, docs/formats.md). Plain data; nothing that it names is
// read here.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "plan/plan.h"

namespace dilemma {

// One [[model]]: a GGUF file with its profile, or a bare problem. Paths are as they are to be opened: those
// of the file are taken from the folder that it is in.
struct FleetEntry {
  std::string name;
  double weight = 1;
  std::filesystem::path problem;                  // alone, or:
  std::filesystem::path model, profile, quality;  // quality may be empty: weight difference, computed
  double max_loss = -1;                           // below 0: as_good_as counts
  std::string as_good_as = "q4_0";
  bool many_blocks = false;
  Workload workload;
};

struct FleetFile {
  std::filesystem::path cluster;  // needed where a model is not a bare problem
  std::vector<FleetEntry> models;
};

// kInvalidArgument names line and field.
absl::StatusOr<FleetFile> ParseFleetFile(std::string_view text, std::string_view source,
                                         const std::filesystem::path& folder);
absl::StatusOr<FleetFile> ReadFleetFile(const std::filesystem::path& path);

}  // namespace dilemma
