#include "fleet/fleet_file.h"

#include <cmath>
#include <set>

#include "base/file.h"
#include "cluster/toml_fields.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

absl::Status Count(TomlFields& fields, std::string_view field, double high, int64_t& value) {
  auto number = static_cast<double>(value);
  RETURN_IF_ERROR(fields.Number(field, 1, high, number));
  if (number != std::floor(number)) return fields.Error(field, "expected a whole number");
  value = static_cast<int64_t>(number);
  return absl::OkStatus();
}

absl::Status ReadPath(TomlFields& fields, std::string_view field, const fs::path& folder, fs::path& path) {
  ASSIGN_OR_RETURN(const auto text, fields.Text(field));
  if (text.has_value() && text->empty()) return fields.Error(field, "is empty");
  if (text.has_value()) path = folder / *text;
  return absl::OkStatus();
}

absl::Status ReadWorkload(TomlFields& fields, Workload& workload) {
  RETURN_IF_ERROR(Count(fields, "context", 1 << 20, workload.context));
  int64_t users = workload.users;
  RETURN_IF_ERROR(Count(fields, "users", 4096, users));
  workload.users = static_cast<int>(users);
  RETURN_IF_ERROR(Count(fields, "prompt_tokens", 1 << 20, workload.prompt_tokens));
  RETURN_IF_ERROR(Count(fields, "output_tokens", 1 << 20, workload.output_tokens));
  ASSIGN_OR_RETURN(const auto wire, fields.Text("wire"));
  if (!wire.has_value()) return absl::OkStatus();
  const auto parsed = ParseWireType(*wire);
  if (!parsed.ok()) return fields.Error("wire", Message(parsed.status()));
  workload.wire = *parsed;
  return absl::OkStatus();
}

absl::StatusOr<FleetEntry> ReadEntry(const toml::table& table, const std::string& source, size_t number,
                                     const fs::path& folder) {
  TomlFields fields(table, source, fmt::format("model {}", number));
  FleetEntry entry;
  RETURN_IF_ERROR(ReadPath(fields, "problem", folder, entry.problem));
  RETURN_IF_ERROR(ReadPath(fields, "path", folder, entry.model));
  if (entry.problem.empty() == entry.model.empty())
    return fields.Error(entry.model.empty() ? "path" : "problem",
                        "a model has either path (a GGUF file) or problem (a bare problem)");
  ASSIGN_OR_RETURN(const auto name, fields.Text("name"));
  entry.name = name.value_or((entry.problem.empty() ? entry.model : entry.problem).stem().string());
  if (entry.name.empty() || entry.name.find_first_of(" \t/\"'") != std::string::npos)
    return fields.Error("name", "must have no blanks, slashes or quotes: the plan's file is named after it");
  RETURN_IF_ERROR(fields.Number("weight", 1e-9, 1e9, entry.weight));
  if (!entry.problem.empty()) {
    RETURN_IF_ERROR(fields.RejectUnknown());
    return entry;
  }
  RETURN_IF_ERROR(ReadPath(fields, "profile", folder, entry.profile));
  if (entry.profile.empty()) return fields.Error("profile", "is missing: what `dilemma profile` measured");
  RETURN_IF_ERROR(ReadPath(fields, "quality", folder, entry.quality));
  RETURN_IF_ERROR(fields.Number("max_loss", 0, 1e300, entry.max_loss));
  ASSIGN_OR_RETURN(const auto as_good_as, fields.Text("as_good_as"));
  if (as_good_as.has_value() && entry.max_loss >= 0)
    return fields.Error("as_good_as", "give max_loss or as_good_as, not both");
  entry.as_good_as = as_good_as.value_or(entry.as_good_as);
  RETURN_IF_ERROR(fields.Bool("many_blocks", entry.many_blocks));
  RETURN_IF_ERROR(ReadWorkload(fields, entry.workload));
  RETURN_IF_ERROR(fields.RejectUnknown());
  return entry;
}

}  // namespace

absl::StatusOr<FleetFile> ParseFleetFile(std::string_view text, std::string_view source_view,
                                         const fs::path& folder) {
  const std::string source(source_view);
  ASSIGN_OR_RETURN(const toml::table root, ParseToml(text, source));
  FleetFile file;
  TomlFields fields(root, source, "fleet");
  RETURN_IF_ERROR(ReadPath(fields, "cluster", folder, file.cluster));
  fields.Allow("model");
  RETURN_IF_ERROR(fields.RejectUnknown());
  std::set<std::string> names;
  RETURN_IF_ERROR(
      EachTable(root, "model", source, [&](const toml::table& table, size_t number) -> absl::Status {
        ASSIGN_OR_RETURN(FleetEntry entry, ReadEntry(table, source, number, folder));
        const auto line = table.source().begin.line;
        if (!names.insert(entry.name).second)
          return InvalidArgument("{}: line {}: there are two models named '{}'; give one another name",
                                 source, line, entry.name);
        if (entry.problem.empty() && file.cluster.empty())
          return InvalidArgument("{}: line {}: '{}' is a GGUF file, so the file must name its cluster",
                                 source, line, entry.name);
        file.models.push_back(std::move(entry));
        return absl::OkStatus();
      }));
  if (file.models.empty()) return InvalidArgument("{}: there is no [[model]] section", source);
  return file;
}

absl::StatusOr<FleetFile> ReadFleetFile(const fs::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseFleetFile(text, path.string(), path.parent_path());
}

}  // namespace dilemma
