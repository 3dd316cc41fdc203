// The certificates of a whole cluster on disk:
//   DIR/ca.pem  DIR/ca.key              the authority; its key need not leave the operator's machine
//   DIR/NAME/ca.pem  cert.pem  key.pem  what the party NAME gets
// Keys can be read by their owner only.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/authority.h"
#include "certs/identity.h"

namespace dilemma {

struct CertFolderOptions {
  std::string_view cluster;  // stands in the authority's certificate
  std::vector<Party> parties;
  Validity validity = ValidForDays(365);
  Validity authority_validity = ValidForDays(3650);
};

// Makes the authority and a certificate for every party. kAlreadyExists where there is an authority; nothing
// is left behind on failure.
absl::StatusOr<std::vector<Identity>> MakeCertFolder(const std::filesystem::path& folder,
                                                     const CertFolderOptions& options);

// New keys and certificates for every party from the authority that is there; a party that had none gets its
// first. Each party's folder is exchanged as a whole: who reads it sees the old files or the new ones.
absl::StatusOr<std::vector<Identity>> RenewCertFolder(const std::filesystem::path& folder,
                                                      const CertFolderOptions& options);

}  // namespace dilemma
