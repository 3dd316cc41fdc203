#include "certs/cert_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/file.h"
#include "base/status.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCaKeyFile = "ca.key";
constexpr mode_t kSecret = 0600, kPublic = 0644;

absl::Status WriteNew(const fs::path& path, std::string_view text, mode_t mode) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool written = file >= 0 &&
                       write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fsync(file) == 0;
  const int error = errno;
  if (file >= 0) close(file);
  return written ? absl::OkStatus()
                 : FailedPrecondition("cannot write '{}': {}", path.string(), std::strerror(error));
}

absl::Status MakePrivateFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (error) return FailedPrecondition("cannot make folder '{}': {}", folder.string(), error.message());
  return absl::OkStatus();
}

// A certificate's names do not tell upper from lower case.
absl::Status CheckParties(const std::vector<Party>& parties) {
  std::set<std::string> seen = {std::string(kCaFile), std::string(kCaKeyFile)};
  for (const Party& party : parties) {
    RETURN_IF_ERROR(CheckPartyName(party.name));
    std::string lower = party.name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (!seen.insert(lower).second) {
      return InvalidArgument("two certificates for the name '{}' (upper and lower case are one)", party.name);
    }
  }
  return absl::OkStatus();
}

absl::Status WriteParty(const fs::path& folder, const Authority& authority, const Party& party,
                        const Validity& validity) {
  ASSIGN_OR_RETURN(const CertAndKey made, authority.Issue(party, validity));
  RETURN_IF_ERROR(MakePrivateFolder(folder));
  RETURN_IF_ERROR(WriteNew(folder / kCaFile, authority.pem().cert_pem, kPublic));
  RETURN_IF_ERROR(WriteNew(folder / kCertFile, made.cert_pem, kPublic));
  return WriteNew(folder / kKeyFile, made.key_pem, kSecret);
}

absl::Status Exchange(const fs::path& fresh, const fs::path& place) {
  std::error_code ignored;
  if (!fs::exists(place, ignored)) {
    if (rename(fresh.c_str(), place.c_str()) == 0) return absl::OkStatus();
  } else if (renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(fresh, ignored);
    return absl::OkStatus();
  }
  return FailedPrecondition("cannot put new files in the place of '{}': {}", place.string(),
                            std::strerror(errno));
}

// Written as they are now, so an expired one has no identity to load.
std::vector<Identity> Describe(const fs::path& folder, const CertFolderOptions& options) {
  std::vector<Identity> identities;
  for (const Party& party : options.parties) {
    identities.push_back({folder / party.name, party.name, party.role, options.validity.until_s});
  }
  return identities;
}

absl::Status WriteAll(const fs::path& folder, const CertFolderOptions& options) {
  ASSIGN_OR_RETURN(const auto authority, Authority::Create(fmt::format("authority of {}", options.cluster),
                                                           options.authority_validity));
  RETURN_IF_ERROR(MakePrivateFolder(folder));
  RETURN_IF_ERROR(WriteNew(folder / kCaFile, authority->pem().cert_pem, kPublic));
  RETURN_IF_ERROR(WriteNew(folder / kCaKeyFile, authority->pem().key_pem, kSecret));
  for (const Party& party : options.parties) {
    RETURN_IF_ERROR(WriteParty(folder / party.name, *authority, party, options.validity));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Identity>> MakeCertFolder(const fs::path& folder,
                                                     const CertFolderOptions& options) {
  RETURN_IF_ERROR(CheckParties(options.parties));
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    return absl::AlreadyExistsError(
        fmt::format("'{}' is not empty: --renew makes new certificates from the authority in it, and a new "
                    "authority wants "
                    "another folder",
                    folder.string()));
  }
  const fs::path part = PartName(folder);
  absl::Status written = WriteAll(part, options);
  if (written.ok()) {
    fs::remove(folder, error);  // an empty one
    written = Publish(part, folder);
  }
  if (!written.ok()) {
    fs::remove_all(part, error);
    return written;
  }
  return Describe(folder, options);
}

absl::StatusOr<std::vector<Identity>> RenewCertFolder(const fs::path& folder,
                                                      const CertFolderOptions& options) {
  RETURN_IF_ERROR(CheckParties(options.parties));
  CertAndKey pem;
  for (const auto& [file, text] : {std::pair(kCaFile, &pem.cert_pem), std::pair(kCaKeyFile, &pem.key_pem)}) {
    auto read = ReadFile(folder / file);
    if (!read.ok()) {
      return FailedPrecondition("{}: there is no authority to renew from; without --renew one is made",
                                Message(read.status()));
    }
    *text = *std::move(read);
  }
  const auto authority = Authority::Load(pem);
  if (!authority.ok()) return Annotate(authority.status(), folder.string());
  for (const Party& party : options.parties) {
    const fs::path fresh = PartName(folder / party.name);
    absl::Status renewed = WriteParty(fresh, **authority, party, options.validity);
    if (renewed.ok()) renewed = Exchange(fresh, folder / party.name);
    if (renewed.ok()) continue;
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    return renewed;
  }
  return Describe(folder, options);
}

}  // namespace dilemma
