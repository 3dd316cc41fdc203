#include "simulator/rpc_servers.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/interrupt.h"
#include "base/status.h"
#include "simulator/child_process.h"
#include "simulator/link_proxy.h"
#include "simulator/socket.h"

namespace dilemma {
namespace {

constexpr double kStartS = 20, kPatienceS = 1;

bool Answers(const std::string& address) {
  const auto socket = StartConnect(address);
  if (!socket.ok()) return false;
  pollfd wait = {socket->get(), POLLOUT, 0};
  return poll(&wait, 1, 100) == 1 && !ConnectFailed(*socket);
}

// A port that was free a moment ago: the server cannot say which one it got.
absl::StatusOr<std::string> FreeAddress() {
  ASSIGN_OR_RETURN(const Fd listener, Listen("127.0.0.1:0"));
  ASSIGN_OR_RETURN(const int port, PortOf(listener));
  return fmt::format("127.0.0.1:{}", port);
}

class RpcServerProcesses : public EmulatedRpcServers {
 public:
  ~RpcServerProcesses() override { EndChildren(pids_, kPatienceS); }

  absl::Status StartAll(const Cluster& cluster, const std::vector<std::string>& servers,
                        const std::filesystem::path& binary, const std::filesystem::path& work_dir) {
    ASSIGN_OR_RETURN(loop_, LinkLoop::Start());
    std::error_code ignored;
    std::filesystem::create_directories(work_dir, ignored);
    for (const std::string& name : servers) {
      const int index = cluster.IndexOf(name);
      if (index < 0) return NotFound("cluster '{}' has no server '{}'", cluster.name, name);
      const int threads = std::max(1, cluster.servers[static_cast<size_t>(index)].threads);
      ASSIGN_OR_RETURN(const std::string address, FreeAddress());
      ASSIGN_OR_RETURN(ChildProcess child, starter_.Start({binary.string(), "rpc-server", "--listen", address,
                                                           "--threads", fmt::format("{}", threads)},
                                                          work_dir / (name + ".rpc.log")));
      pids_.push_back(child.pid);
      outputs_.push_back(std::move(child.output));
      RETURN_IF_ERROR(WaitFor(name, address));
      RETURN_IF_ERROR(AddLink(cluster, name, address));
    }
    return absl::OkStatus();
  }

  const std::map<std::string, std::string>& addresses() const override { return addresses_; }

 private:
  absl::Status WaitFor(const std::string& name, const std::string& address) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kStartS);
    while (!Answers(address)) {
      if (Interrupted()) return InterruptedStatus();
      if (std::chrono::steady_clock::now() > end)
        return Unavailable("the RPC server for '{}' did not listen at {} within {:.0f} s", name, address,
                           kStartS);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return absl::OkStatus();
  }

  absl::Status AddLink(const Cluster& cluster, const std::string& name, const std::string& address) {
    const Link there = cluster.Between(kUser, name), back = cluster.Between(name, kUser);
    LinkProxyOptions proxy;
    proxy.target = address;
    proxy.forward = loop_->AddLink({there.latency_s, there.bandwidth_bps});
    proxy.backward = loop_->AddLink({back.latency_s, back.bandwidth_bps});
    ASSIGN_OR_RETURN(auto added, loop_->AddProxy(proxy));
    addresses_[name] = added->address();
    proxies_.push_back(std::move(added));
    return absl::OkStatus();
  }

  ChildStarter starter_;
  std::unique_ptr<LinkLoop> loop_;
  std::vector<std::unique_ptr<LinkProxy>> proxies_;
  std::vector<pid_t> pids_;
  std::vector<Fd> outputs_;  // kept open: what a server prints must go somewhere
  std::map<std::string, std::string> addresses_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EmulatedRpcServers>> EmulatedRpcServers::Start(
    const Cluster& cluster, const std::vector<std::string>& servers, const std::filesystem::path& binary,
    const std::filesystem::path& work_dir) {
  auto started = std::make_unique<RpcServerProcesses>();
  RETURN_IF_ERROR(started->StartAll(cluster, servers, binary, work_dir));
  return started;
}

}  // namespace dilemma
