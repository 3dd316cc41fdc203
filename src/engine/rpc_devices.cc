#include "engine/rpc_devices.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "base/status.h"
#include "engine/backend.h"
#include "engine/llama_stage.h"
#include "ggml-backend.h"
#include "ggml-rpc.h"
#include "llama.h"

namespace dilemma {
namespace {

absl::Status Check(const RpcPlacement& placement) {
  if (placement.servers.empty() || placement.servers.size() > GGML_RPC_MAX_SERVERS) {
    return InvalidArgument("{} RPC servers: 1 to {}", placement.servers.size(), GGML_RPC_MAX_SERVERS);
  }
  std::set<std::string> seen;
  for (const RpcServer& server : placement.servers) {
    if (!seen.insert(server.address).second)
      return InvalidArgument("the RPC server {} is given twice: a server holds one run of layers",
                             server.address);
    // The backend ends the process where nobody answers.
    if (!Listens(server.address)) return Unavailable("no ggml-rpc-server answers at {}", server.address);
  }
  return absl::OkStatus();
}

}  // namespace

bool Listens(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0)
    return false;
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return connected;
}

absl::StatusOr<std::unique_ptr<Stage>> LoadOverRpc(const std::filesystem::path& whole,
                                                   const StageOptions& options,
                                                   const RpcPlacement& placement) {
  RETURN_IF_ERROR(Check(placement));
  InitBackend();
  std::vector<ggml_backend_dev_t> devices;
  std::vector<float> split(llama_max_devices(), 0);
  for (size_t i = 0; i < placement.servers.size(); ++i) {
    const ggml_backend_reg_t added = ggml_backend_rpc_add_server(placement.servers[i].address.c_str());
    if (added == nullptr || ggml_backend_reg_dev_count(added) == 0)
      return Unavailable("the ggml-rpc-server at {} offers no device", placement.servers[i].address);
    devices.push_back(ggml_backend_reg_dev_get(added, 0));
    split[i] = static_cast<float>(placement.servers[i].layers);
  }
  devices.push_back(nullptr);
  const std::vector<llama_model_tensor_buft_override> here = {{"^output", ggml_backend_cpu_buffer_type()},
                                                              {"^token_embd", ggml_backend_cpu_buffer_type()},
                                                              {nullptr, nullptr}};
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = -1;
  params.split_mode = LLAMA_SPLIT_MODE_LAYER;
  params.devices = devices.data();
  params.tensor_split = split.data();
  if (placement.head_here) params.tensor_buft_overrides = here.data();
  return LoadLlamaStage(whole, options, params,
                        placement.flash_attention ? StageDevices::kRemoteFlash : StageDevices::kRemote);
}

absl::Status ServeRpc(const std::string& address, int threads) {
  if (address.rfind("127.0.0.1:", 0) != 0)
    return InvalidArgument("'{}': the RPC backend checks nobody, so it listens on 127.0.0.1 only", address);
  InitBackend();
  ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  if (device == nullptr) return Internal("libllama offers no processor");
  ggml_backend_rpc_start_server(address.c_str(), nullptr, static_cast<size_t>(threads), 1, &device);
  return FailedPrecondition("cannot listen on {}: the port is in use or the address is not this machine's",
                            address);
}

}  // namespace dilemma
