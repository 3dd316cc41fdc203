#include <iostream>

#include "base/interrupt.h"
#include "cli/command.h"
#include "cli/recovery_steps.h"
#include "cli/rpc_steps.h"
#include "cli/security_options.h"
#include "cli/steps.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string plan, cluster, shards, model;
  PromptOptions prompt;
  SecurityOptions security;
  RecoveryFlags recovery;
  std::string engine = "dilemma";
  RpcFlags rpc;
};

Json ToJson(const Plan& plan, const Answer& answer) {
  Json stages = Json::array();
  for (const StageTimes& stage : answer.result.stages) {
    stages.push_back({{"server", stage.server},
                      {"decode_compute_ms", stage.decode_compute_s * 1e3},
                      {"decode_queue_ms", stage.decode_queue_s * 1e3},
                      {"decode_wire_ms", stage.decode_wire_s * 1e3},
                      {"prefill_compute_ms", stage.prefill_compute_s * 1e3}});
  }
  return {{"text", answer.text},
          {"tokens", answer.result.tokens},
          {"prompt_tokens", answer.prompt_tokens},
          {"replanned", answer.result.replanned},
          {"recoveries", std::max<size_t>(answer.result.parts.size(), 1) - 1},
          {"finish", answer.result.finish == FinishReason::kEnd ? "stop" : "length"},
          {"measured", {{"decode_ms", answer.decode_s * 1e3}, {"prefill_ms", answer.result.prefill_s * 1e3}}},
          {"predicted",
           {{"decode_ms", plan.predicted.decode_s * 1e3}, {"prefill_ms", plan.predicted.prefill_s * 1e3}}},
          {"stages", std::move(stages)}};
}

absl::Status CheckShards(const Plan& plan, const Options& options) {
  for (const PlanStage& stage : plan.stages) {
    if (stage.shard.empty()) {
      return FailedPrecondition("{} has no shards yet; run `dilemma quantize {}` first", options.plan,
                                options.plan);
    }
    if (!std::filesystem::exists(std::filesystem::path(options.shards) / (stage.shard + ".gguf"))) {
      return NotFound(
          "'{}/{}.gguf' (the shard for server '{}') is not there; run `dilemma quantize {} --shards {}`",
          options.shards, stage.shard, stage.server, options.plan, options.shards);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Coordinator>> Open(const Plan& plan, const Cluster& cluster,
                                                  const Tokenizer& tokenizer, const Options& options) {
  if (!options.recovery.Wanted()) return OpenPlan(plan, cluster, options.shards, tokenizer);
  const std::string& model = options.model.empty() ? plan.model_path : options.model;
  RecoveryOptions recovery;
  recovery.ring.end_tokens = tokenizer.EndOfGenerationTokens();
  recovery.on_event = [](const RecoveryEvent& event) { Say("\n[" + Describe(event) + "]"); };
  return OpenResilient(plan, cluster, options.shards, model, options.recovery, std::move(recovery));
}

absl::Status Run(const Program& program, Options& options) {
  ASSIGN_OR_RETURN(const Plan plan, ReadPlan(options.plan));
  ASSIGN_OR_RETURN(const Cluster cluster, ReadReachableCluster(options.cluster, options.security));
  const bool rpc = options.engine == "llama-rpc";
  if (rpc && options.recovery.Wanted())
    return InvalidArgument("--engine llama-rpc does not recover: a lost server ends it");
  if (!rpc) RETURN_IF_ERROR(CheckShards(plan, options));
  if (options.prompt.prompt == "-") {
    options.prompt.prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  ASSIGN_OR_RETURN(const auto tokenizer,
                   Tokenizer::Load(options.model.empty() ? plan.model_path : options.model));
  std::unique_ptr<RpcRun> servers;
  std::unique_ptr<Coordinator> coordinator;
  if (rpc) {
    const std::string& model = options.model.empty() ? plan.model_path : options.model;
    ASSIGN_OR_RETURN(servers, OpenRpc(program, plan, cluster, model, *tokenizer, options.rpc));
    coordinator = std::move(servers->coordinator);
  } else {
    ASSIGN_OR_RETURN(coordinator, Open(plan, cluster, *tokenizer, options));
  }
  const auto answer = Ask(*coordinator, *tokenizer, options.prompt, [&](const std::string& text) {
    if (!program.json) Print(text);
  });
  if (!program.json) Print("\n");
  coordinator->Close();
  if (!answer.ok()) return Interrupted() ? InterruptedStatus() : answer.status();
  if (program.json) {
    PrintJson(ToJson(plan, *answer));
  } else {
    Say(fmt::format(
        "\n{} tokens after {}: {:.1f} ms to the first, {:.2f} ms a token (predicted {:.1f} and {:.2f})",
        answer->result.tokens.size(), answer->prompt_tokens, answer->result.prefill_s * 1e3,
        answer->decode_s * 1e3, plan.predicted.prefill_s * 1e3, plan.predicted.decode_s * 1e3));
    if (answer->result.replanned) Say("part of it was answered by another plan than the one given");
  }
  return absl::OkStatus();
}

}  // namespace

void AddRun(Program& program) {
  auto options = std::make_shared<Options>();
  options->shards = "shards";
  CLI::App* command =
      AddCommand(program, "run", "Ship a plan's shards and answer a prompt over its servers, streaming",
                 "dilemma run plan.json --cluster emulated.toml \"Why is the sky blue?\"",
                 [&program, options] { return Run(program, *options); });
  command->add_option("plan", options->plan, "A plan with shards (see `dilemma quantize`)")->required();
  command->add_option("prompt", options->prompt.prompt, "The prompt; - reads it from standard input")
      ->required();
  command
      ->add_option("--cluster,-c", options->cluster, "A cluster file (TOML) with addresses of running nodes")
      ->required();
  AddSecurityOptions(command, options->security);
  command->add_option("--shards,-s", options->shards, "Folder of the shards")->capture_default_str();
  command->add_option("--model", options->model,
                      "GGUF file with the tokenizer (default: where the plan says)");
  command->add_flag("--raw", options->prompt.raw,
                    "Continue the prompt as it is, without the model's chat template");
  command->add_option("--max-tokens,-n", options->prompt.max_tokens, "Length of the answer at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--temperature", options->prompt.sampling.temperature, "0: greedy")
      ->check(CLI::Range(0.0, 5.0))
      ->capture_default_str();
  command->add_option("--top-p", options->prompt.sampling.top_p)
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  AddRecoveryOptions(command, options->recovery);
  command
      ->add_option("--engine", options->engine,
                   "dilemma, or llama-rpc: the same plan on llama.cpp's RPC servers, one file with its types")
      ->check(CLI::IsMember({"dilemma", "llama-rpc"}))
      ->capture_default_str();
  AddRpcOptions(command, options->rpc);
  command->add_option("--seed", options->prompt.sampling.seed)->capture_default_str();
}

}  // namespace dilemma::cli
