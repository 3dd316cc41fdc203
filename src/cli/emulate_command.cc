#include "base/file.h"
#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "simulator/emulator.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string cluster, out, work_dir;
  bool insecure = false;
};

std::string Describe(const EmulatedCluster& emulated) {
  Table table({"server", "address", ">pid", ">memory", ">slowdown"});
  for (const Server& server : emulated.cluster().servers) {
    table.Add({server.name, server.address, fmt::format("{}", emulated.Pid(server.name)),
               server.memory_bytes ? FormatBytes(*server.memory_bytes) : "machine's",
               fmt::format("{:g}", server.emulated_slowdown)});
  }
  return table.ToString();
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(const Cluster cluster, ReadCluster(options.cluster));
  EmulatorOptions emulator;
  emulator.binary = program.executable;
  emulator.insecure = options.insecure;
  ASSIGN_OR_RETURN(const TempDir temporary, TempDir::Create("dilemma-emulate"));
  emulator.work_dir = options.work_dir.empty() ? temporary.path() : std::filesystem::path(options.work_dir);
  ASSIGN_OR_RETURN(const auto emulated, EmulatedCluster::Start(cluster, emulator));
  RETURN_IF_ERROR(WriteFileAtomically(options.out, ClusterToToml(emulated->cluster())));
  if (program.json) {
    Print(Json{{"cluster_file", options.out}, {"servers", emulated->cluster().servers.size()}}.dump() + "\n");
  } else {
    Print(Describe(*emulated));
    Print(fmt::format("\n{} servers are up; other commands reach them through '{}'. Ctrl-C ends them.\n",
                      emulated->cluster().servers.size(), options.out));
  }
  WaitForInterrupt();
  emulated->Stop();
  std::error_code ignored;
  std::filesystem::remove(options.out, ignored);  // its addresses are gone
  return absl::OkStatus();
}

}  // namespace

void AddEmulate(Program& program) {
  auto options = std::make_shared<Options>();
  options->out = "emulated.toml";
  CLI::App* command = AddCommand(
      program, "emulate", "Start the emulated cluster of a file and leave it up for the other commands",
      "dilemma emulate examples/four-servers.toml --out emulated.toml &",
      [&program, options] { return Run(program, *options); });
  command->add_option("cluster", options->cluster, "A cluster file (TOML)")->required();
  command->add_option("--out,-o", options->out, "Where the cluster file with the emulated addresses goes")
      ->capture_default_str();
  command->add_option("--work-dir", options->work_dir,
                      "Keep stores and logs of the nodes here (default: a folder "
                      "that goes with the cluster)");
  command->add_flag("--insecure", options->insecure,
                    "Plain text (default: TLS with certificates that are made for this cluster)");
}

}  // namespace dilemma::cli
