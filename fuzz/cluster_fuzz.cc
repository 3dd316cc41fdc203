// The cluster file: what is read is written and read again the same.
#include "base/file.h"
#include "cluster/cluster.h"
#include "fuzz/fuzz.h"

namespace dilemma::fuzz {

std::vector<std::string> Seeds() {
  return {ReadFile(DILEMMA_SOURCE_DIR "/examples/four-servers.toml").value_or(""),
          "certs = \"certs/user\"\n[[server]]\nname = \"a\"\naddress = \"h:1\"\n[[server]]\nname = \"b\"\n"
          "[[link]]\nfrom = \"a\"\nto = \"b\"\nlatency = \"5 ms\"\nbandwidth = \"10 Mbit/s\"\nshare = 0.5\n"
          "via = \"h:2\"\nsymmetric = false\n"};
}

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dilemma;
  const auto cluster = ParseCluster(fuzz::View(data, size), "fuzz.toml");
  if (!cluster.ok()) return 0;
  const std::string text = ClusterToToml(*cluster);
  const auto again = ParseCluster(text, "again.toml");
  fuzz::Require(again.ok(), "a cluster that was read can be written and read again");
  fuzz::Require(again->name == cluster->name && again->servers.size() == cluster->servers.size() &&
                    again->certs == cluster->certs && again->links.size() == cluster->links.size(),
                "and is the same");
  return 0;
}
