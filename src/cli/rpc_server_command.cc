#include <csignal>

#include "cli/command.h"
#include "engine/rpc_devices.h"

namespace dilemma::cli {

void AddRpcServer(Program& program) {
  struct Options {
    std::string listen = "127.0.0.1:50052";
    int threads = 1;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(program, "rpc-server",
                 "llama.cpp's RPC server, for `run --engine llama-rpc` to compare with (loopback only)",
                 "dilemma rpc-server --listen 127.0.0.1:50052 --threads 2", [options] {
                   std::signal(SIGINT, SIG_DFL);  // it looks for no flag
                   std::signal(SIGTERM, SIG_DFL);
                   return ServeRpc(options->listen, options->threads);
                 });
  command->add_option("--listen", options->listen, "host:port on loopback: it checks nobody")
      ->capture_default_str();
  command->add_option("--threads", options->threads)->check(CLI::Range(1, 1024))->capture_default_str();
}

}  // namespace dilemma::cli
