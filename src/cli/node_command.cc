#include "base/interrupt.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/drop_root.h"
#include "runtime/node.h"

namespace dilemma::cli {
namespace {

struct Options {
  NodeOptions node;
  std::string store, memory, disk, certs, user;
  bool insecure = false;
};

absl::StatusOr<std::shared_ptr<const Credentials>> Security(const Options& options) {
  if (options.insecure && !options.certs.empty()) {
    return InvalidArgument("--certs and --insecure exclude each other");
  }
  if (options.insecure) return std::shared_ptr<const Credentials>();
  if (!options.certs.empty()) return LoadCredentials(options.certs);
  return FailedPrecondition(
      "a node wants a certificate: `dilemma certs CLUSTER.toml` makes one for each server (then --certs "
      "DIR). To "
      "try things out on this machine alone there is --insecure");
}

absl::Status Run(const Program& program, Options& options) {
  RETURN_IF_ERROR(SetUpLogging(options.node.name, program.log_level));
  RETURN_IF_ERROR(DropRoot(options.user));
  ASSIGN_OR_RETURN(options.node.credentials, Security(options));
  options.node.store = options.store;
  if (!options.memory.empty()) {
    ASSIGN_OR_RETURN(options.node.memory_bytes, ParseBytes(options.memory));
  }
  if (!options.disk.empty()) {
    ASSIGN_OR_RETURN(options.node.disk_bytes, ParseBytes(options.disk));
  }
  ASSIGN_OR_RETURN(const auto node, Node::Start(options.node));
  if (program.json) {
    Print(Json{{"listening", node->address()}}.dump() + "\n");
  } else {
    Print(fmt::format("listening on {}\n", node->address()));
  }
  WaitForInterrupt();
  node->Stop();
  return absl::OkStatus();
}

}  // namespace

void AddNode(Program& program) {
  auto options = std::make_shared<Options>();
  options->node.listen = "127.0.0.1:7070";
  options->store = "dilemma-store";
  CLI::App* command =
      AddCommand(program, "node", "Run on each server: stores shards and runs stages for coordinators",
                 "dilemma node --name edge-1 --listen 0.0.0.0:7070 --certs dilemma-certs --store "
                 "/var/lib/dilemma --memory "
                 "\"4 GiB\"",
                 [&program, options] { return Run(program, *options); });
  command->add_option("--name", options->node.name, "Name in errors and reports")->capture_default_str();
  command->add_option("--listen", options->node.listen, "host:port; port 0 picks a free one")
      ->capture_default_str();
  command->add_option("--store", options->store, "Folder of shards; kept when the node ends")
      ->capture_default_str();
  command->add_option("--certs", options->certs, "Folder of this server's certificate (see `dilemma certs`)");
  command
      ->add_option("--coordinators", options->node.coordinators,
                   "Take work only of these names (default: of every certificate made for a coordinator)")
      ->delimiter(',');
  command->add_flag("--insecure", options->insecure,
                    "Plain text and no certificates: on an address of this machine only");
  command->add_option("--user", options->user, "Become this user first, where started as root");
  command->add_option("--memory", options->memory,
                      "The whole process may hold this, like \"4 GiB\" (default: what the "
                      "machine or its cgroup has)");
  command->add_option("--disk", options->disk, "Limit for stored shards (default: free space)");
  command->add_option("--threads", options->node.threads, "Of one stage (default: the machine's cores)")
      ->check(CLI::Range(0, 1024));
  command
      ->add_option("--slowdown", options->node.slowdown, "Stretch compute time, to emulate a slower server")
      ->check(CLI::Range(1.0, 1000.0));
}

}  // namespace dilemma::cli
