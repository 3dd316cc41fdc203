#include "planner/problem_file.h"

#include <cmath>

#include "base/file.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr double kMsPerSecond = 1e3;
constexpr double kLargestBytes = 9e18;
constexpr char kNotANumber[] = "not a number";

// Python and JavaScript programs write NaN and Infinity, which JSON has not: as a text, so that the field can
// be named.
std::string QuoteNotANumber(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    size_t word = 0;
    for (const std::string_view name : {"NaN", "nan", "-Infinity", "Infinity", "-inf", "inf"})
      if (!in_string && word == 0 && rest.starts_with(name)) word = name.size();
    if (word > 0) {
      out += fmt::format("\"{}\"", kNotANumber);
      i += word;
      continue;
    }
    if (in_string && rest[0] == '\\' && rest.size() > 1)
      out += text[i++];
    else if (rest[0] == '"')
      in_string = !in_string;
    out += text[i++];
  }
  return out;
}

// Reads nested lists of non-negative numbers of the shape that the first tables fixed.
class Reader {
 public:
  explicit Reader(JsonField root) : root_(std::move(root)) {}

  // The sizes of the problem, from compute_ms.
  absl::Status ReadShape(Problem& p) const {
    ASSIGN_OR_RETURN(const auto units, root_.Items("compute_ms"));
    if (units.empty()) return root_.Error("compute_ms is empty: a problem has at least one unit");
    ASSIGN_OR_RETURN(const auto servers, units[0].Items());
    if (servers.empty()) return units[0].Error("is empty: a problem has at least one server");
    ASSIGN_OR_RETURN(const auto types, servers[0].Items());
    if (types.empty()) return servers[0].Error("is empty: a problem has at least one type");
    constexpr size_t kMost = 1 << 20;
    if (units.size() > kMost || servers.size() > kMost || types.size() > kMost)
      return root_.Error("compute_ms is too large");
    p.Resize(static_cast<int>(units.size()), static_cast<int>(servers.size()),
             static_cast<int>(types.size()));
    return absl::OkStatus();
  }

  // A list of lists .. of numbers, flattened. `shape` gives the length at each level. A null is written as
  // NaN where it may be.
  absl::StatusOr<std::vector<double>> Table(std::string_view key, const std::vector<int>& shape,
                                            bool may_be_null) const {
    ASSIGN_OR_RETURN(const JsonField field, root_.At(key));
    std::vector<double> values;
    RETURN_IF_ERROR(Flatten(field, shape, 0, may_be_null, values));
    return values;
  }

  const JsonField& root() const { return root_; }

 private:
  static absl::Status Flatten(const JsonField& field, const std::vector<int>& shape, size_t level,
                              bool may_be_null, std::vector<double>& values) {
    if (level == shape.size()) {
      if (may_be_null && field.node().is_null()) {
        values.push_back(std::nan(""));
        return absl::OkStatus();
      }
      if (field.node().is_null()) return field.Error("is null, a number is expected");
      if (field.node() == Json(kNotANumber)) return field.Error("is NaN or infinite, a number is expected");
      ASSIGN_OR_RETURN(const double value, field.Number());
      if (value < 0) return field.Error(fmt::format("is negative ({})", value));
      values.push_back(value);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const auto items, field.Items());
    if (items.size() != static_cast<size_t>(shape[level]))
      return field.Error(
          fmt::format("has {} entries, {} are expected (the table is ragged or another size than "
                      "compute_ms says)",
                      items.size(), shape[level]));
    for (const JsonField& item : items) RETURN_IF_ERROR(Flatten(item, shape, level + 1, may_be_null, values));
    return absl::OkStatus();
  }

  JsonField root_;
};

absl::Status ReadTimes(const Reader& reader, std::string_view key, const std::vector<int>& shape,
                       bool may_be_null, Times& times) {
  ASSIGN_OR_RETURN(times.decode_s, reader.Table(key, shape, may_be_null));
  for (double& value : times.decode_s) value = std::isnan(value) ? kNever : value / kMsPerSecond;
  times.prefill_s.assign(times.decode_s.size(), 0.0);
  return absl::OkStatus();
}

absl::Status ReadBytes(const Reader& reader, std::string_view key, const std::vector<int>& shape,
                       bool may_be_null, int64_t null_value, std::vector<int64_t>& bytes) {
  ASSIGN_OR_RETURN(const auto values, reader.Table(key, shape, may_be_null));
  bytes.clear();
  for (const double value : values) {
    if (value > kLargestBytes)
      return reader.root().Error(fmt::format("{} has a number that is too large", key));
    bytes.push_back(std::isnan(value) ? null_value : static_cast<int64_t>(std::ceil(value)));
  }
  return absl::OkStatus();
}

absl::Status CheckDiagonal(const Reader& reader, std::string_view key, const Times& times, int servers) {
  for (int n = 0; n < servers; ++n)
    if (times.decode_s[static_cast<size_t>(n) * static_cast<size_t>(servers) + static_cast<size_t>(n)] != 0)
      return reader.root().Error(
          fmt::format("{}[{}][{}] is not 0: a server has no link to itself", key, n, n));
  return absl::OkStatus();
}

absl::Status ReadRequired(const Reader& reader, Problem& p) {
  const int U = p.units, N = p.servers, Q = p.types;
  RETURN_IF_ERROR(ReadTimes(reader, "compute_ms", {U, N, Q}, true, p.compute));
  RETURN_IF_ERROR(ReadTimes(reader, "hop_ms", {N, N}, false, p.hop));
  RETURN_IF_ERROR(CheckDiagonal(reader, "hop_ms", p.hop, N));
  RETURN_IF_ERROR(ReadTimes(reader, "entry_ms", {N}, false, p.entry));
  RETURN_IF_ERROR(ReadTimes(reader, "exit_ms", {N}, false, p.exit));
  RETURN_IF_ERROR(ReadBytes(reader, "weight_bytes", {U, Q}, true, -1, p.weight_bytes));
  RETURN_IF_ERROR(ReadBytes(reader, "memory_bytes", {N}, false, 0, p.memory_bytes));
  ASSIGN_OR_RETURN(p.loss, reader.Table("loss", {U, Q}, true));
  for (size_t i = 0; i < p.loss.size(); ++i) {
    p.offered[i] = !std::isnan(p.loss[i]) && p.weight_bytes[i] >= 0;
    if (p.offered[i]) continue;
    p.loss[i] = 0;
    p.weight_bytes[i] = 0;
  }
  ASSIGN_OR_RETURN(const auto budget, reader.Table("loss_budget", {}, false));
  p.loss_budget = budget[0];
  ASSIGN_OR_RETURN(p.one_block_per_server, reader.root().Bool("one_block_per_server"));
  return absl::OkStatus();
}

absl::Status ReadNames(const JsonField& root, std::string_view key, std::vector<std::string>& names) {
  if (root.Missing(key)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto items, root.Items(key));
  if (items.size() != names.size())
    return root.Error(fmt::format("{} has {} entries, {} are expected", key, items.size(), names.size()));
  for (size_t i = 0; i < items.size(); ++i) {
    ASSIGN_OR_RETURN(names[i], items[i].String());
  }
  return absl::OkStatus();
}

absl::Status ReadOptional(const Reader& reader, Problem& p) {
  const JsonField& root = reader.root();
  const int U = p.units, N = p.servers;
  if (!root.Missing("ring_ms")) {
    RETURN_IF_ERROR(ReadTimes(reader, "ring_ms", {N, N}, false, p.ring));
    RETURN_IF_ERROR(CheckDiagonal(reader, "ring_ms", p.ring, N));
  }
  if (!root.Missing("fixed_bytes"))
    RETURN_IF_ERROR(ReadBytes(reader, "fixed_bytes", {U, N}, false, 0, p.fixed_bytes));
  if (!root.Missing("stage_bytes"))
    RETURN_IF_ERROR(ReadBytes(reader, "stage_bytes", {N}, false, 0, p.stage_bytes));
  if (!root.Missing("disk_bytes"))
    RETURN_IF_ERROR(ReadBytes(reader, "disk_bytes", {N}, true, kNoLimit, p.disk_bytes));
  if (!root.Missing("allowed")) {
    ASSIGN_OR_RETURN(const auto values, reader.Table("allowed", {U, N}, false));
    for (size_t i = 0; i < values.size(); ++i) p.allowed[i] = values[i] != 0;
  }
  if (!root.Missing("size_budget")) {
    ASSIGN_OR_RETURN(p.size_budget, root.Integer("size_budget"));
    if (p.size_budget < 0) return root.Error("size_budget is negative");
  }
  if (!root.Missing("max_servers")) {
    ASSIGN_OR_RETURN(const int64_t limit, root.Integer("max_servers"));
    if (limit < 0) return root.Error("max_servers is negative");
    p.max_servers = static_cast<int>(std::min<int64_t>(limit, N));
  }
  if (!root.Missing("objective")) {
    ASSIGN_OR_RETURN(const std::string objective, root.String("objective"));
    if (objective == Name(Objective::kThroughput)) {
      p.objective = Objective::kThroughput;
      p.link_busy = p.hop;
    } else if (objective != Name(Objective::kLatency)) {
      return root.Error(fmt::format("objective is '{}', not latency or throughput", objective));
    }
  }
  RETURN_IF_ERROR(ReadNames(root, "unit_names", p.unit_names));
  return ReadNames(root, "server_names", p.server_names);
}

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// values[offset ...] as nested lists of the given shape, each by `write(index)`.
template <typename Write>
Json Nest(const std::vector<int>& shape, size_t level, size_t& index, const Write& write) {
  if (level == shape.size()) return write(index++);
  Json list = Json::array();
  for (int i = 0; i < shape[level]; ++i) list.push_back(Nest(shape, level + 1, index, write));
  return list;
}
template <typename Write>
Json Nest(const std::vector<int>& shape, const Write& write) {
  size_t index = 0;
  return Nest(shape, 0, index, write);
}

}  // namespace

absl::StatusOr<Problem> ProblemFromJson(const Json& json, std::string_view source) {
  const Reader reader(JsonField(json, std::string(source)));
  if (!json.is_object()) return reader.root().Error("expected an object");
  Problem problem;
  RETURN_IF_ERROR(reader.ReadShape(problem));
  RETURN_IF_ERROR(ReadRequired(reader, problem));
  RETURN_IF_ERROR(ReadOptional(reader, problem));
  problem.Fold();
  RETURN_IF_ERROR(Annotate(problem.Check(), source));
  return problem;
}

absl::StatusOr<Problem> ReadProblem(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  auto json = ParseJson(text, path.string());
  if (!json.ok()) {
    if (const auto quoted = ParseJson(QuoteNotANumber(text), path.string()); quoted.ok())
      return ProblemFromJson(*quoted, path.string());
    return json.status();
  }
  return ProblemFromJson(*json, path.string());
}

Json ProblemToJson(const Problem& p) {
  const int U = p.units, N = p.servers, Q = p.types;
  const auto times = [](const Times& t) {
    return [&t](size_t i) { return Number(t.request_s[i] * kMsPerSecond); };
  };
  const auto bytes = [](const std::vector<int64_t>& b) {
    return [&b](size_t i) { return b[i] == kNoLimit ? Json(nullptr) : Json(b[i]); };
  };
  Json json;
  json["compute_ms"] = Nest({U, N, Q}, times(p.compute));
  json["hop_ms"] = Nest({N, N}, [&](size_t i) {  // what entering the next server costs, its stage included
    const int n = static_cast<int>(i) / N, m = static_cast<int>(i) % N;
    return Number(n == m ? 0.0 : p.EnterCost(n, m) * kMsPerSecond);
  });
  json["entry_ms"] =
      Nest({N}, [&](size_t i) { return Number(p.FirstCost(static_cast<int>(i)) * kMsPerSecond); });
  json["exit_ms"] = Nest({N}, times(p.exit));
  json["ring_ms"] = Nest({N, N}, times(p.ring));
  json["weight_bytes"] =
      Nest({U, Q}, [&](size_t i) { return p.offered[i] ? Json(p.weight_bytes[i]) : Json(nullptr); });
  json["loss"] = Nest({U, Q}, [&](size_t i) { return p.offered[i] ? Json(p.loss[i]) : Json(nullptr); });
  json["memory_bytes"] = Nest({N}, bytes(p.memory_bytes));
  json["fixed_bytes"] = Nest({U, N}, bytes(p.fixed_bytes));
  json["stage_bytes"] = Nest({N}, bytes(p.stage_bytes));
  json["disk_bytes"] = Nest({N}, bytes(p.disk_bytes));
  json["allowed"] = Nest({U, N}, [&](size_t i) { return Json(static_cast<int>(p.allowed[i])); });
  json["loss_budget"] = std::isfinite(p.loss_budget) ? p.loss_budget : 1e30;
  if (p.size_budget != kNoLimit) json["size_budget"] = p.size_budget;
  json["max_servers"] = p.max_servers;
  json["one_block_per_server"] = p.one_block_per_server;
  json["objective"] = Name(p.objective);
  json["unit_names"] = p.unit_names;
  json["server_names"] = p.server_names;
  return json;
}

Json AnswerToJson(const SolveResult& result) {
  Json json;
  json["status"] = Name(result.status);
  json["objective_ms"] = result.HasAssignment() ? Number(result.objective_s * kMsPerSecond) : Json(nullptr);
  json["bound_ms"] = Number(result.bound_s * kMsPerSecond);
  json["gap"] = result.HasAssignment() ? Number(result.gap) : Json(nullptr);
  json["seconds"] = result.seconds;
  json["assignment"] = nullptr;
  if (result.HasAssignment()) {
    json["assignment"] = Json::array();
    for (const Placement& placement : result.assignment)
      json["assignment"].push_back({placement.server, placement.type});
  }
  if (!result.reason.empty()) json["reason"] = result.reason;
  return json;
}

}  // namespace dilemma
