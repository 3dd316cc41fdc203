// Who a party is: the folder with its certificate, its key and the authority it trusts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "certs/authority.h"

namespace dilemma {

// Names of the files in the folder of a party.
inline constexpr std::string_view kCaFile = "ca.pem", kCertFile = "cert.pem", kKeyFile = "key.pem";

struct Identity {
  std::filesystem::path folder;
  std::string name;          // the first DNS name of the certificate, else its common name
  std::optional<Role> role;  // absent: a certificate of another authority, which says nothing
  int64_t until_s = 0;       // last second of its validity, since 1970

  std::filesystem::path ca() const { return folder / kCaFile; }
  std::filesystem::path cert() const { return folder / kCertFile; }
  std::filesystem::path key() const { return folder / kKeyFile; }
};

// Reads the folder and checks all that a peer will: kFailedPrecondition where a file is missing, others may
// read the key, key and certificate do not belong together, the authority did not sign the certificate, or it
// is not valid now.
absl::StatusOr<Identity> LoadIdentity(const std::filesystem::path& folder);

std::string FormatDate(int64_t unix_s);  // "2026-11-24"

}  // namespace dilemma
