#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/recovery_steps.h"
#include "cli/security_options.h"
#include "cli/steps.h"
#include "gateway/gateway.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string plan, cluster, shards, model, listen, api_key_file, max_body;
  bool no_key = false;
  double grace_s = 10;
  GatewayOptions gateway;
  SecurityOptions security;
  RecoveryFlags recovery;
};

absl::Status ReadListen(Options& options) {
  const size_t colon = options.listen.rfind(':');
  int port = -1;
  if (colon != std::string::npos) {
    const char* begin = options.listen.c_str() + colon + 1;
    char* end = nullptr;
    const long number = std::strtol(begin, &end, 10);
    if (end != begin && *end == '\0' && number >= 0 && number <= 65535) port = static_cast<int>(number);
  }
  if (port < 0 || colon == 0) {
    return InvalidArgument("--listen '{}': host:port, like 127.0.0.1:8080", options.listen);
  }
  options.gateway.host = options.listen.substr(0, colon);
  options.gateway.port = port;
  return absl::OkStatus();
}

absl::Status ReadKeys(Options& options) {
  const std::string& host = options.gateway.host;
  const bool local = host == "localhost" || host == "::1" || host == "[::1]" || host.rfind("127.", 0) == 0;
  if (options.api_key_file.empty()) {
    if (local || options.no_key) return absl::OkStatus();
    return InvalidArgument(
        "--listen {}: anybody who reaches this address could use the model. Give --api-key-file, or --no-key "
        "where a proxy in front checks who comes",
        options.listen);
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(options.api_key_file));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
      line.pop_back();
    if (!line.empty() && line.front() != '#') options.gateway.api_keys.push_back(std::move(line));
  }
  if (options.gateway.api_keys.empty()) {
    return InvalidArgument("'{}' has no key: one a line", options.api_key_file);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Coordinator>> Open(const Plan& plan, const Cluster& cluster,
                                                  const Options& options, CoordinatorOptions ring,
                                                  const std::shared_ptr<Gateway::BatchTap>& tap) {
  if (!options.recovery.Wanted()) return OpenPlan(plan, cluster, options.shards, std::move(ring));
  RecoveryOptions recovery;
  recovery.ring = std::move(ring);
  recovery.on_plan = Gateway::FollowPlans(tap);
  recovery.on_event = [](const RecoveryEvent& event) { Say(Describe(event)); };
  return OpenResilient(plan, cluster, options.shards, options.model, options.recovery, std::move(recovery));
}

absl::Status Run(const Program& program, Options& options) {
  RETURN_IF_ERROR(ReadListen(options));
  RETURN_IF_ERROR(ReadKeys(options));
  ASSIGN_OR_RETURN(options.gateway.max_body_bytes, ParseBytes(options.max_body));
  ASSIGN_OR_RETURN(const Plan plan, ReadPlan(options.plan));
  ASSIGN_OR_RETURN(const Cluster cluster, ReadReachableCluster(options.cluster, options.security));
  if (options.model.empty()) options.model = plan.model_path;
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(options.model));
  CoordinatorOptions coordinator_options;
  coordinator_options.end_tokens = tokenizer->EndOfGenerationTokens();
  const auto tap = Gateway::Tap(&coordinator_options);
  ASSIGN_OR_RETURN(const auto coordinator, Open(plan, cluster, options, coordinator_options, tap));
  DeferInterrupts(true);  // requests have time to end, on a new ring if theirs is lost meanwhile
  ASSIGN_OR_RETURN(const auto gateway,
                   Gateway::Start(options.gateway, plan, coordinator.get(), tokenizer.get(), tap));
  const std::string address = fmt::format("http://{}:{}", options.gateway.host, gateway->port());
  if (program.json) {
    Print(Json{{"listening", address}}.dump() + "\n");
  } else {
    Print(fmt::format("listening on {} ({}; {} users at once, {} may wait); Ctrl-C ends\n", address,
                      options.gateway.model.empty() ? plan.model_name : options.gateway.model,
                      plan.workload.users, options.gateway.max_queue));
  }
  WaitForInterrupt();
  Say(fmt::format("stopping: requests under way have {:.0f} s to end (Ctrl-C again ends at once)",
                  options.grace_s));
  gateway->Stop(options.grace_s);
  DeferInterrupts(false);
  coordinator->Close();
  return absl::OkStatus();
}

}  // namespace

void AddServe(Program& program) {
  auto options = std::make_shared<Options>();
  options->shards = "shards";
  options->listen = "127.0.0.1:8080";
  options->max_body = "1 MiB";
  CLI::App* command = AddCommand(
      program, "serve", "Serve a plan over HTTP: an OpenAI-compatible API, metrics and a live page",
      "dilemma serve plan.json --cluster lab.toml --shards shards --listen 127.0.0.1:8080\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\\n"
      "    -d '{\"model\": \"NAME\", \"messages\": [{\"role\": \"user\", \"content\": \"Why is the sky "
      "blue?\"}], "
      "\"stream\": true}'",
      [&program, options] { return Run(program, *options); });
  command->add_option("plan", options->plan, "A plan with shards (see `dilemma quantize`)")->required();
  command
      ->add_option("--cluster,-c", options->cluster, "A cluster file (TOML) with addresses of running nodes")
      ->required();
  command->add_option("--shards,-s", options->shards, "Folder of the shards")->capture_default_str();
  command->add_option(
      "--model", options->model,
      "GGUF file with the tokenizer, and the weights of shards of a new plan (default: where the "
      "plan says)");
  command->add_option("--model-name", options->gateway.model,
                      "As clients call it (default: the plan's name)");
  command->add_option("--listen", options->listen, "host:port; port 0 picks a free one")
      ->capture_default_str();
  command->add_option("--api-key-file", options->api_key_file,
                      "Keys that clients must send one of, one a line; # begins a comment");
  command->add_flag("--no-key", options->no_key, "No key is needed, even beyond this machine");
  command
      ->add_option("--max-queue", options->gateway.max_queue,
                   "Requests that may wait for a KV slot; more are told to try again later (429)")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  command->add_option("--max-body", options->max_body, "Largest request")->capture_default_str();
  AddSecurityOptions(command, options->security);
  AddRecoveryOptions(command, options->recovery);
  command
      ->add_option("--max-connections", options->gateway.max_connections, "At once; more are refused (503)")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      ->add_option("--request-timeout", options->gateway.request_timeout_s,
                   "Seconds for a whole request to come in")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--grace", options->grace_s, "Seconds that requests have to end after Ctrl-C")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
}

}  // namespace dilemma::cli
