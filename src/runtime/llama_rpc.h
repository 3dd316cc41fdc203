// The same plan on llama.cpp's RPC engine: one file with the plan's mixed types, its layers on
// ggml-rpc-servers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/rpc_devices.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"

namespace dilemma {

struct LlamaRpcOptions {
  std::map<std::string, std::string> addresses;  // of the plan's servers: name -> "host:port"
  bool head_on_client = false;                   // else logits cross the last server's link
  bool flash_attention = false;  // as llama.cpp chooses; without it the text is that of the other engine
  int threads = 1;               // of what the client computes
  std::vector<int32_t> end_tokens;
};

// Layers as the plan has them; the embedding stays on the client. kInvalidArgument for a server without an
// address, or with two runs of layers.
absl::StatusOr<RpcPlacement> RpcPlacementOf(const Plan& plan, const LlamaRpcOptions& options);

// `whole`: as WriteWhole writes it with the plan's types. One request at a time, others wait. A server that
// is lost ends the process.
absl::StatusOr<std::unique_ptr<Coordinator>> OpenLlamaRpc(const Plan& plan,
                                                          const std::filesystem::path& whole,
                                                          const LlamaRpcOptions& options);

}  // namespace dilemma
