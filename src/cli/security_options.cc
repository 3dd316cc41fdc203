#include "cli/security_options.h"

namespace dilemma::cli {

void AddSecurityOptions(CLI::App* command, SecurityOptions& options) {
  command->add_option("--certs", options.certs,
                      "Folder of the coordinator's certificate (default: `certs` in the cluster file)");
  command->add_flag("--insecure", options.insecure,
                    "Plain text, to nodes of this machine that were started with --insecure");
}

absl::StatusOr<Cluster> ReadReachableCluster(const std::string& path, const SecurityOptions& options) {
  if (options.insecure && !options.certs.empty()) {
    return InvalidArgument("--certs and --insecure exclude each other");
  }
  ASSIGN_OR_RETURN(Cluster cluster, ReadCluster(path));
  if (!options.certs.empty()) cluster.certs = options.certs;
  if (options.insecure) cluster.certs.clear();
  if (cluster.certs.empty() && !options.insecure) {
    return FailedPrecondition(
        "{}: there is no `certs = \"DIR\"` in it and --certs is not given. `dilemma certs {} --out certs` "
        "makes "
        "certificates (then --certs certs/{}); --insecure reaches nodes of this machine without",
        path, path, kUser);
  }
  return cluster;
}

}  // namespace dilemma::cli
