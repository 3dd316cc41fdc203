// Makes and renews the certificates of a cluster.
#include "base/table.h"
#include "certs/cert_folder.h"
#include "cli/command.h"
#include "cluster/cluster.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string cluster, out;
  std::vector<std::string> coordinators{std::string(kUser)};
  int days = 365;
  bool renew = false;
};

std::string Describe(const Options& options, const std::vector<Identity>& made) {
  Table table({"name", "role", "valid until", "folder"});
  for (const Identity& identity : made) {
    table.Add({identity.name, std::string(Name(*identity.role)), FormatDate(identity.until_s),
               identity.folder.string()});
  }
  const Identity& server = made.back();
  const std::string& user = options.coordinators.front();
  return table.ToString() +
         fmt::format(
             "\nCopy each server's folder to it, for example\n"
             "  rsync -a {0}/ {1}:dilemma-certs/\n"
             "{2}"
             "Keep {3}/ca.key here and to yourself: who has it can make certificates for this cluster.\n",
             server.folder.string(), server.name,
             options.renew
                 ? "A running node takes the new files within seconds, for connections made from then on.\n"
                 : fmt::format("and start it there with `dilemma node --name {} --certs dilemma-certs ...`.\n"
                               "Write `certs = \"{}\"` into {}, or give it as --certs.\n",
                               server.name, (std::filesystem::absolute(options.out) / user).string(),
                               options.cluster),
             options.out);
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(const Cluster cluster, ReadCluster(options.cluster));
  CertFolderOptions certs;
  certs.cluster = cluster.name;
  certs.validity = ValidForDays(options.days);
  for (const std::string& name : options.coordinators) certs.parties.push_back({name, Role::kCoordinator});
  for (const Server& server : cluster.servers) certs.parties.push_back({server.name, Role::kServer});
  ASSIGN_OR_RETURN(const std::vector<Identity> made,
                   options.renew ? RenewCertFolder(options.out, certs) : MakeCertFolder(options.out, certs));
  if (!program.json) {
    Print(Describe(options, made));
    return absl::OkStatus();
  }
  Json list = Json::array();
  for (const Identity& identity : made) {
    list.push_back({{"name", identity.name},
                    {"role", Name(*identity.role)},
                    {"valid_until", FormatDate(identity.until_s)},
                    {"folder", identity.folder.string()}});
  }
  PrintJson({{"authority", (std::filesystem::path(options.out) / kCaFile).string()}, {"certificates", list}});
  return absl::OkStatus();
}

}  // namespace

void AddCerts(Program& program) {
  auto options = std::make_shared<Options>();
  options->out = "certs";
  CLI::App* command =
      AddCommand(program, "certs",
                 "Make a private certificate authority and a certificate for each server of a cluster file",
                 "dilemma certs lab.toml --out certs\n  dilemma certs lab.toml --out certs --renew",
                 [&program, options] { return Run(program, *options); });
  command->add_option("cluster", options->cluster, "A cluster file (TOML): the servers' names")->required();
  command->add_option("--out,-o", options->out, "The folder")->capture_default_str();
  command
      ->add_option("--coordinators", options->coordinators,
                   "Names of those who may give the nodes work, each with a certificate of its own")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--days", options->days, "How long the certificates are valid")
      ->check(CLI::Range(1, 36500))
      ->capture_default_str();
  command->add_flag(
      "--renew", options->renew,
      "New keys and certificates from the authority in the folder, for servers that were added too");
}

}  // namespace dilemma::cli
