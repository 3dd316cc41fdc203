#include "cli/rpc_steps.h"

#include "base/interrupt.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"
#include "recovery/survivors.h"
#include "runtime/llama_rpc.h"

namespace dilemma::cli {

void AddRpcOptions(CLI::App* command, RpcFlags& flags) {
  command->add_option(
      "--rpc", flags.servers,
      "llama-rpc: the ggml-rpc-server of a server of the plan, NAME=HOST:PORT (default: they are "
      "started on this machine, behind the cluster's links emulated)");
  command->add_flag("--head-on-client", flags.head_on_client,
                    "llama-rpc: keep the head here, so that no logits cross a link");
  command->add_flag(
      "--flash-attention", flags.flash_attention,
      "llama-rpc: where llama.cpp would choose it; the text may then differ from the other engine's");
}

absl::StatusOr<std::unique_ptr<RpcRun>> OpenRpc(const Program& program, const Plan& plan,
                                                const Cluster& cluster, const std::string& model_path,
                                                const Tokenizer& tokenizer, const RpcFlags& flags) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(model_path));
  if (plan.units() != static_cast<int>(model.units.size()))
    return InvalidArgument("the plan has {} units, but '{}' has {}", plan.units(), model_path,
                           model.units.size());
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-rpc"));
  auto run = std::make_unique<RpcRun>(RpcRun{std::move(dir), nullptr, nullptr});
  const auto whole = run->dir.path() / "whole.gguf";
  {
    ProgressLine line("writing the whole model");
    RETURN_IF_ERROR(WriteWhole(model, plan.Types(), whole, [&](int done, int total) {
                      line.Update(static_cast<double>(done) / total, "");
                      return !Interrupted();
                    }).status());
  }
  LlamaRpcOptions options;
  options.head_on_client = flags.head_on_client;
  options.flash_attention = flags.flash_attention;
  options.end_tokens = tokenizer.EndOfGenerationTokens();
  for (const std::string& text : flags.servers) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || text.rfind(':') < equals || text.rfind(':') == std::string::npos)
      return InvalidArgument("--rpc {}: write NAME=HOST:PORT", text);
    options.addresses[text.substr(0, equals)] = text.substr(equals + 1);
  }
  if (flags.servers.empty()) {
    ASSIGN_OR_RETURN(run->started, EmulatedRpcServers::Start(cluster, ServersOf(plan), program.executable,
                                                             run->dir.path()));
    options.addresses = run->started->addresses();
  }
  ASSIGN_OR_RETURN(run->coordinator, OpenLlamaRpc(plan, whole, options));
  return run;
}

}  // namespace dilemma::cli
