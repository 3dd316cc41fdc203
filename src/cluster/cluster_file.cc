// The TOML form of a cluster (docs/formats.md): read with toml++, errors name line and field.
#include <sstream>

#include "base/file.h"
#include "base/status.h"
#include "base/units.h"
#include "cluster/cluster.h"
#include "cluster/toml_fields.h"

namespace dilemma {
namespace {

absl::StatusOr<Server> ReadServer(const toml::table& table, const std::string& source, size_t number) {
  TomlFields fields(table, source, fmt::format("server {}", number));
  Server server;
  ASSIGN_OR_RETURN(server.name, fields.RequiredText("name"));
  if (server.name == kUser)
    return fields.Error("name", "'user' is the name of the place where requests come from");
  if (server.name.find_first_of(" \t/\"'") != std::string::npos) {
    return fields.Error("name", "must have no blanks, slashes or quotes");
  }
  ASSIGN_OR_RETURN(const auto address, fields.Text("address"));
  server.address = address.value_or("");
  int64_t bytes = 0;
  RETURN_IF_ERROR(fields.Quantity("memory", ParseBytes, bytes));
  if (bytes > 0) server.memory_bytes = bytes;
  bytes = 0;
  RETURN_IF_ERROR(fields.Quantity("disk", ParseBytes, bytes));
  if (bytes > 0) server.disk_bytes = bytes;
  double busy = 0;
  RETURN_IF_ERROR(fields.Quantity("max_busy_per_token", ParseDuration, busy));
  if (busy > 0) server.max_busy_s_per_token = busy;
  RETURN_IF_ERROR(fields.Number("compute_share", 0.01, 1, server.compute_share));
  double threads = 0;
  RETURN_IF_ERROR(fields.Number("threads", 0, 1024, threads));
  server.threads = static_cast<int>(threads);
  RETURN_IF_ERROR(fields.Bool("trusted", server.trusted));
  RETURN_IF_ERROR(fields.Bool("forbidden", server.forbidden));
  RETURN_IF_ERROR(fields.Number("emulated_slowdown", 1, 1000, server.emulated_slowdown));
  RETURN_IF_ERROR(fields.RejectUnknown());
  return server;
}

absl::StatusOr<Link> ReadLink(const toml::table& table, const std::string& source, size_t number,
                              const Cluster& cluster) {
  TomlFields fields(table, source, fmt::format("link {}", number));
  Link link;
  link.latency_s = cluster.default_latency_s;
  link.bandwidth_bps = cluster.default_bandwidth_bps;
  ASSIGN_OR_RETURN(link.from, fields.RequiredText("from"));
  ASSIGN_OR_RETURN(link.to, fields.RequiredText("to"));
  for (const auto& [field, end] : {std::pair("from", link.from), std::pair("to", link.to)}) {
    if (end != kUser && cluster.IndexOf(end) < 0) {
      return fields.Error(field, fmt::format("there is no server '{}' in this file", end));
    }
  }
  if (link.from == link.to) return fields.Error("to", "a link joins two different places");
  RETURN_IF_ERROR(fields.Quantity("latency", ParseDuration, link.latency_s));
  RETURN_IF_ERROR(fields.Quantity("bandwidth", ParseBandwidth, link.bandwidth_bps));
  RETURN_IF_ERROR(fields.Number("share", 0.01, 1, link.share));
  ASSIGN_OR_RETURN(const auto via, fields.Text("via"));
  link.via = via.value_or("");
  RETURN_IF_ERROR(fields.Bool("symmetric", link.symmetric));
  RETURN_IF_ERROR(fields.RejectUnknown());
  return link;
}

// With what must be escaped.
std::string Quoted(std::string_view text) {
  std::ostringstream out;
  out << toml::value<std::string>(std::string(text));
  return out.str();
}

}  // namespace

absl::StatusOr<Cluster> ParseCluster(std::string_view text, std::string_view source_view) {
  const std::string source(source_view);
  ASSIGN_OR_RETURN(const toml::table root, ParseToml(text, source));
  Cluster cluster;
  TomlFields fields(root, source, "cluster");
  ASSIGN_OR_RETURN(const auto name, fields.Text("name"));
  cluster.name = name.value_or(std::filesystem::path(source).stem().string());
  RETURN_IF_ERROR(fields.Quantity("default_latency", ParseDuration, cluster.default_latency_s));
  RETURN_IF_ERROR(fields.Quantity("default_bandwidth", ParseBandwidth, cluster.default_bandwidth_bps));
  ASSIGN_OR_RETURN(const auto certs, fields.Text("certs"));
  cluster.certs = certs.value_or("");
  fields.Allow("server");
  fields.Allow("link");
  RETURN_IF_ERROR(fields.RejectUnknown());
  RETURN_IF_ERROR(
      EachTable(root, "server", source, [&](const toml::table& table, size_t number) -> absl::Status {
        ASSIGN_OR_RETURN(Server server, ReadServer(table, source, number));
        if (cluster.IndexOf(server.name) >= 0) {
          return InvalidArgument("{}: line {}: there are two servers named '{}'", source,
                                 table.source().begin.line, server.name);
        }
        cluster.servers.push_back(std::move(server));
        return absl::OkStatus();
      }));
  if (cluster.servers.empty()) return InvalidArgument("{}: there is no [[server]] section", source);
  RETURN_IF_ERROR(
      EachTable(root, "link", source, [&](const toml::table& table, size_t number) -> absl::Status {
        ASSIGN_OR_RETURN(Link link, ReadLink(table, source, number, cluster));
        cluster.links.push_back(std::move(link));
        return absl::OkStatus();
      }));
  return cluster;
}

absl::StatusOr<Cluster> ReadCluster(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(Cluster cluster, ParseCluster(text, path.string()));
  if (!cluster.certs.empty()) cluster.certs = path.parent_path() / cluster.certs;  // an absolute one stays
  return cluster;
}

std::string ClusterToToml(const Cluster& cluster) {
  const auto bandwidth = [](double bps) { return Quoted(fmt::format("{:.10g} bit/s", bps)); };
  const auto duration = [](double s) { return Quoted(fmt::format("{:.10g} ms", s * 1e3)); };
  const auto bytes = [](int64_t b) { return Quoted(fmt::format("{} B", b)); };
  std::string out =
      fmt::format("name = {}\ndefault_latency = {}\ndefault_bandwidth = {}\n", Quoted(cluster.name),
                  duration(cluster.default_latency_s), bandwidth(cluster.default_bandwidth_bps));
  if (!cluster.certs.empty()) out += fmt::format("certs = {}\n", Quoted(cluster.certs.string()));
  for (const Server& s : cluster.servers) {
    out += fmt::format("\n[[server]]\nname = {}\n", Quoted(s.name));
    if (!s.address.empty()) out += fmt::format("address = {}\n", Quoted(s.address));
    if (s.memory_bytes) out += fmt::format("memory = {}\n", bytes(*s.memory_bytes));
    if (s.disk_bytes) out += fmt::format("disk = {}\n", bytes(*s.disk_bytes));
    if (s.max_busy_s_per_token)
      out += fmt::format("max_busy_per_token = {}\n", duration(*s.max_busy_s_per_token));
    if (s.compute_share != 1) out += fmt::format("compute_share = {}\n", s.compute_share);
    if (s.threads > 0) out += fmt::format("threads = {}\n", s.threads);
    if (!s.trusted) out += "trusted = false\n";
    if (s.forbidden) out += "forbidden = true\n";
    if (s.emulated_slowdown != 1) out += fmt::format("emulated_slowdown = {}\n", s.emulated_slowdown);
  }
  for (const Link& l : cluster.links) {
    out += fmt::format("\n[[link]]\nfrom = {}\nto = {}\nlatency = {}\nbandwidth = {}\n", Quoted(l.from),
                       Quoted(l.to), duration(l.latency_s), bandwidth(l.bandwidth_bps));
    if (l.share != 1) out += fmt::format("share = {}\n", l.share);
    if (!l.via.empty()) out += fmt::format("via = {}\n", Quoted(l.via));
    if (!l.symmetric) out += "symmetric = false\n";
  }
  return out;
}

}  // namespace dilemma
