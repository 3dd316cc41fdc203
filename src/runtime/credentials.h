// Who we are towards other parts of the cluster, and whom we believe. All parts speak TLS 1.3 and both ends
// of every connection show a certificate of the same authority (certs/authority.h). Opaque: what is inside
// belongs to the RPC library.
#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "cluster/cluster.h"

namespace dilemma {

// Immutable and thread-safe. Where a pointer to it is null, connections are in plain text, and only to and
// from this machine itself (127.0.0.0/8, ::1, localhost).
class Credentials;

// Of a party's folder (certs/identity.h), checked now; errors as of LoadIdentity. The files are looked at
// again every second: new ones count for the connections made from then on. From the first call on no
// connection of this process uses an older TLS than 1.3.
absl::StatusOr<std::shared_ptr<const Credentials>> LoadCredentials(const std::filesystem::path& folder);

// Of the folder that the cluster names for those who use it; null where it names none.
absl::StatusOr<std::shared_ptr<const Credentials>> CredentialsFor(const Cluster& cluster);

// "host:port" where the host is this machine.
bool IsLoopback(std::string_view address);

}  // namespace dilemma
