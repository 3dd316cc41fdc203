// llama.cpp's own way to run a model on several servers (its RPC backend), for those who have it deployed and
// to compare with. The client keeps the token embedding; every layer's operations are sent to the server that
// holds it, and its results come back. Nothing is authenticated, and a server that is lost while a model
// runs ends the process: that is how the backend is made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/stage.h"

namespace dilemma {

struct RpcServer {
  std::string address;  // "host:port" of a ggml-rpc-server
  int layers = 0;       // that it holds, in order; the head counts as one more, of the last
};

struct RpcPlacement {
  std::vector<RpcServer> servers;  // at most 16, each address once
  bool head_here = false;          // the head's matrix stays on the client: logits do not cross a link
  bool flash_attention = false;    // where llama.cpp would choose it: rounds otherwise than a Stage does
};

// Loads a whole model with its layers on the servers. kUnavailable where one does not answer.
absl::StatusOr<std::unique_ptr<Stage>> LoadOverRpc(const std::filesystem::path& whole,
                                                   const StageOptions& options,
                                                   const RpcPlacement& placement);

// A ggml-rpc-server in this process, on loopback only. Does not return while it listens.
absl::Status ServeRpc(const std::string& address, int threads);

// Whether somebody listens there.
bool Listens(const std::string& address);

}  // namespace dilemma
