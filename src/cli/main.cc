#include <exception>
#include <filesystem>

#include "base/interrupt.h"
#include "base/log.h"
#include "cli/command.h"

namespace dilemma::cli {
namespace {

int Main(int argc, char** argv) {
  Program program;
  std::error_code error;
  program.executable = std::filesystem::read_symlink("/proc/self/exe", error).string();
  program.app.require_subcommand(1);
  program.app.set_version_flag("--version", "dilemma " DILEMMA_VERSION);
  program.app.footer(
      "Start here:\n  dilemma demo                 the whole thing on an emulated cluster, in some minutes\n"
      "  dilemma COMMAND --help       what a command does, with an example");
  AddDemo(program);
  AddChaos(program);
  AddRpcServer(program);
  AddImport(program);
  AddInspect(program);
  AddEmulate(program);
  AddCerts(program);
  AddNode(program);
  AddProfile(program);
  AddPlan(program);
  AddFleet(program);
  AddQuantize(program);
  AddRun(program);
  AddServe(program);
  AddReport(program);
  AddReproduce(program);
  AddEval(program);
  AddSensitivity(program);
  AddDistill(program);
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::ParseError& parse_error) {
    const int code = program.app.exit(parse_error);
    return code == 0 ? 0 : 2;
  }
  CatchInterrupts();
  absl::Status status = SetUpLogging("dilemma", program.log_level);
  if (status.ok()) status = program.run();
  if (!status.ok()) {
    if (program.json) PrintJson({{"error", std::string(Message(status))}});
    Say(fmt::format("error: {}", Message(status)));
  }
  return ExitCode(status);
}

}  // namespace
}  // namespace dilemma::cli

int main(int argc, char** argv) {
  try {
    return dilemma::cli::Main(argc, argv);
  } catch (const std::exception& exception) {
    dilemma::cli::Say(fmt::format("error: {} (this is a bug: please report it)", exception.what()));
    return 70;
  }
}
