#include "simulator/emulator.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <mutex>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "certs/cert_folder.h"
#include "simulator/child_process.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr double kPatienceS = 3;
constexpr std::string_view kListening = "listening on ";

LinkShape ShapeOf(const Link& link) { return {link.latency_s, link.bandwidth_bps}; }

// The last line of a log that says something, for errors.
std::string LastLine(const fs::path& log) {
  auto text = ReadFile(log);
  if (!text.ok()) return "it left no log";
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  if (text->empty()) return fmt::format("its log {} is empty", log.string());
  return text->substr(text->rfind('\n') + 1);
}

struct Emulated {
  ChildProcess child;  // pid 0: not running
  std::string address;
};

class ProcessCluster : public EmulatedCluster {
 public:
  ProcessCluster(const Cluster& cluster, const EmulatorOptions& options)
      : cluster_(cluster), options_(options), servers_(cluster.servers.size()) {}
  ~ProcessCluster() override { Stop(); }

  absl::Status StartAll() {
    ASSIGN_OR_RETURN(loop_, LinkLoop::Start());
    if (!options_.insecure) RETURN_IF_ERROR(MakeCerts());
    for (size_t i = 0; i < servers_.size(); ++i) RETURN_IF_ERROR(Launch(i, "127.0.0.1:0"));
    for (size_t i = 0; i < servers_.size(); ++i) RETURN_IF_ERROR(WaitForAddress(i));
    return JoinLinks();
  }

  const Cluster& cluster() const override { return cluster_; }

  absl::Status Kill(std::string_view server) override { return Signal(server, SIGKILL); }
  absl::Status Pause(std::string_view server) override { return Signal(server, SIGSTOP); }
  absl::Status Resume(std::string_view server) override { return Signal(server, SIGCONT); }

  absl::Status Restart(std::string_view server) override {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(const size_t i, Find(server));
    if (Running(i)) return FailedPrecondition("server '{}' is running", server);
    RETURN_IF_ERROR(Launch(i, servers_[i].address));
    return WaitForAddress(i);
  }

  EmulatedLink* Link(std::string_view from, std::string_view to) override {
    const auto it = links_.find({std::string(from), std::string(to)});
    return it == links_.end() ? nullptr : it->second.get();
  }

  int Pid(std::string_view server) const override {
    const std::lock_guard lock(mutex_);
    const auto i = Find(server);
    return i.ok() && Running(*i) ? servers_[*i].child.pid : 0;
  }

  void Stop() override {
    const std::lock_guard lock(mutex_);
    std::vector<pid_t> pids;
    for (Emulated& server : servers_) {
      if (server.child.pid != 0) pids.push_back(std::exchange(server.child.pid, 0));
    }
    EndChildren(pids, kPatienceS);
    proxies_.clear();
  }

 private:
  fs::path Certs() const { return options_.work_dir / "certs"; }

  absl::Status MakeCerts() {
    CertFolderOptions certs;
    certs.cluster = cluster_.name;
    certs.parties.push_back({std::string(kUser), Role::kCoordinator});
    for (const Server& server : cluster_.servers) certs.parties.push_back({server.name, Role::kServer});
    std::error_code error;
    fs::remove_all(Certs(), error);  // of an earlier cluster in the same folder
    RETURN_IF_ERROR(MakeCertFolder(Certs(), certs).status());
    cluster_.certs = fs::absolute(Certs() / kUser);
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Find(std::string_view server) const {
    const int index = cluster_.IndexOf(server);
    if (index < 0) return NotFound("the emulated cluster has no server '{}'", server);
    return static_cast<size_t>(index);
  }

  // Takes note of one that ended by itself.
  bool Running(size_t i) const {
    pid_t& pid = servers_[i].child.pid;
    if (pid != 0 && waitpid(pid, nullptr, WNOHANG) != 0) pid = 0;
    return pid != 0;
  }

  fs::path Folder(size_t i) const { return options_.work_dir / cluster_.servers[i].name; }

  absl::Status Launch(size_t i, const std::string& listen) {
    const Server& server = cluster_.servers[i];
    std::error_code error;
    fs::create_directories(Folder(i), error);
    if (error) return FailedPrecondition("cannot make folder '{}': {}", Folder(i).string(), error.message());
    std::vector<std::string> command = {options_.binary.string(),
                                        "node",
                                        "--name",
                                        server.name,
                                        "--listen",
                                        listen,
                                        "--store",
                                        (Folder(i) / "store").string(),
                                        "--threads",
                                        fmt::format("{}", std::max(1, server.threads)),
                                        "--slowdown",
                                        fmt::format("{}", server.emulated_slowdown)};
    if (options_.insecure) {
      command.push_back("--insecure");
    } else {
      command.insert(command.end(), {"--certs", (Certs() / server.name).string()});
    }
    if (server.memory_bytes)
      command.insert(command.end(), {"--memory", fmt::format("{} B", *server.memory_bytes)});
    if (server.disk_bytes) command.insert(command.end(), {"--disk", fmt::format("{} B", *server.disk_bytes)});
    command.insert(command.end(), options_.node_arguments.begin(), options_.node_arguments.end());
    ASSIGN_OR_RETURN(servers_[i].child, starter_.Start(command, Folder(i) / "log"));
    return absl::OkStatus();
  }

  absl::Status WaitForAddress(size_t i) {
    const auto line = ReadLine(servers_[i].child.output, options_.start_timeout_s);
    if (absl::IsCancelled(line.status())) return line.status();
    if (!line.ok() || line->rfind(kListening, 0) != 0) {
      return Unavailable("server '{}' did not start: {}; {}", cluster_.servers[i].name,
                         line.ok() ? *line : std::string(Message(line.status())),
                         LastLine(Folder(i) / "log"));
    }
    servers_[i].address = line->substr(kListening.size());
    cluster_.servers[i].address = servers_[i].address;
    return absl::OkStatus();
  }

  // One link for every direction of every pair; what two servers say to each other crosses the same two
  // links, whoever connected.
  absl::Status JoinLinks() {
    std::vector<std::string> names = {std::string(kUser)};
    for (const Server& server : cluster_.servers) names.push_back(server.name);
    std::vector<dilemma::Link> entries;
    for (const std::string& from : names) {
      for (const std::string& to : names) {
        if (from == to) continue;
        entries.push_back(cluster_.Between(from, to));
        entries.back().symmetric = false;
        links_[{from, to}] = loop_->AddLink(ShapeOf(entries.back()));
      }
    }
    for (dilemma::Link& entry : entries) {
      entry.via.clear();
      if (entry.to == kUser) continue;
      LinkProxyOptions proxy;
      proxy.target = cluster_.servers[static_cast<size_t>(cluster_.IndexOf(entry.to))].address;
      proxy.forward = links_[{entry.from, entry.to}];
      proxy.backward = links_[{entry.to, entry.from}];
      ASSIGN_OR_RETURN(auto added, loop_->AddProxy(proxy));
      entry.via = added->address();
      proxies_.push_back(std::move(added));
    }
    cluster_.links = std::move(entries);
    return absl::OkStatus();
  }

  absl::Status Signal(std::string_view server, int signal) {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(const size_t i, Find(server));
    if (!Running(i)) return FailedPrecondition("server '{}' is not running", server);
    pid_t& pid = servers_[i].child.pid;
    kill(pid, signal);
    if (signal == SIGKILL) waitpid(std::exchange(pid, 0), nullptr, 0);
    return absl::OkStatus();
  }

  Cluster cluster_;
  const EmulatorOptions options_;
  ChildStarter starter_;
  std::unique_ptr<LinkLoop> loop_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<EmulatedLink>> links_;
  std::vector<std::unique_ptr<LinkProxy>> proxies_;
  mutable std::mutex mutex_;  // guards the servers' processes
  mutable std::vector<Emulated> servers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EmulatedCluster>> EmulatedCluster::Start(const Cluster& cluster,
                                                                        const EmulatorOptions& options) {
  if (cluster.servers.empty()) return InvalidArgument("cluster '{}' has no servers", cluster.name);
  auto emulated = std::make_unique<ProcessCluster>(cluster, options);
  RETURN_IF_ERROR(emulated->StartAll());
  return emulated;
}

}  // namespace dilemma
