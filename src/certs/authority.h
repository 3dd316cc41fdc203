// A private certificate authority: signs one certificate for each server and coordinator of a cluster. Keys
// are ECDSA P-256. A certificate holds the party's name as DNS name and what it is as URI
// ("urn:dilemma:server" or "urn:dilemma:coordinator"); a coordinator's cannot be used to be a server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

enum class Role { kServer, kCoordinator };

inline constexpr std::string_view kServerUri = "urn:dilemma:server";
inline constexpr std::string_view kCoordinatorUri = "urn:dilemma:coordinator";

std::string_view Name(Role role);  // "server", "coordinator"

struct Party {
  std::string name;
  Role role = Role::kServer;
};

// Seconds since 1970, both included.
struct Validity {
  int64_t from_s = 0, until_s = 0;
};

// From an hour ago (clocks differ) for as many days.
Validity ValidForDays(int days);

// Names are names of hosts, folders and parts of certificates: 1 to 63 letters, digits, '.', '_' and '-', not
// beginning with '.' or '-', not an IP address.
absl::Status CheckPartyName(std::string_view name);

struct CertAndKey {
  std::string cert_pem, key_pem;
};

// Thread-compatible.
class Authority {
 public:
  // A new one with a key of its own. `name` stands in its certificate.
  static absl::StatusOr<std::unique_ptr<Authority>> Create(std::string_view name, const Validity& validity);
  // kInvalidArgument where the two do not belong together.
  static absl::StatusOr<std::unique_ptr<Authority>> Load(const CertAndKey& pem);
  virtual ~Authority() = default;

  virtual const CertAndKey& pem() const = 0;
  // A new key and the certificate for it.
  virtual absl::StatusOr<CertAndKey> Issue(const Party& party, const Validity& validity) const = 0;
};

}  // namespace dilemma
