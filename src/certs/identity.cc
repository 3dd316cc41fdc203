#include "certs/identity.h"

#include <fmt/chrono.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <ctime>

#include "base/file.h"
#include "base/status.h"
#include "certs/openssl.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

std::string ToText(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

std::string CommonName(X509* cert) {
  X509_NAME* subject = X509_get_subject_name(cert);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return at < 0 ? std::string() : ToText(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

void ReadNames(X509* cert, Identity* identity) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS && identity->name.empty()) identity->name = ToText(name->d.dNSName);
    if (name->type != GEN_URI) continue;
    const std::string uri = ToText(name->d.uniformResourceIdentifier);
    if (uri == kServerUri) identity->role = Role::kServer;
    if (uri == kCoordinatorUri) identity->role = Role::kCoordinator;
  }
  GENERAL_NAMES_free(names);
  if (identity->name.empty()) identity->name = CommonName(cert);
}

int64_t ToUnix(const ASN1_TIME* time) {
  std::tm parts = {};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<int64_t>(timegm(&parts)) : 0;
}

absl::Status CheckChain(const Identity& identity, X509* cert, X509* ca) {
  const openssl::Store store(X509_STORE_new());
  const openssl::StoreContext context(X509_STORE_CTX_new());
  X509_STORE_add_cert(store.get(), ca);
  if (X509_STORE_CTX_init(context.get(), store.get(), cert, nullptr) != 1) {
    return Internal("cannot check '{}'", identity.cert().string());
  }
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  const int error = X509_STORE_CTX_get_error(context.get());
  const std::string advice =
      error == X509_V_ERR_CERT_HAS_EXPIRED
          ? fmt::format(" (on {}): `dilemma certs --renew` makes new ones", FormatDate(identity.until_s))
          : fmt::format(" (its authority here is '{}')", identity.ca().string());
  return FailedPrecondition("'{}': {}{}", identity.cert().string(), X509_verify_cert_error_string(error),
                            advice);
}

absl::Status CheckKeyIsPrivate(const fs::path& key) {
  struct stat info = {};
  if (stat(key.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    return FailedPrecondition("'{}' can be read by everybody: chmod 600 it", key.string());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPem(const fs::path& path) {
  auto text = ReadFile(path);
  if (text.ok()) return text;
  return FailedPrecondition("{}: a folder of certificates holds {}, {} and {}; `dilemma certs` makes them",
                            Message(text.status()), kCaFile, kCertFile, kKeyFile);
}

}  // namespace

absl::StatusOr<Identity> LoadIdentity(const fs::path& folder) {
  Identity identity;
  identity.folder = folder;
  ASSIGN_OR_RETURN(const std::string ca_pem, ReadPem(identity.ca()));
  ASSIGN_OR_RETURN(const std::string cert_pem, ReadPem(identity.cert()));
  ASSIGN_OR_RETURN(const std::string key_pem, ReadPem(identity.key()));
  RETURN_IF_ERROR(CheckKeyIsPrivate(identity.key()));
  const auto bad = [](const fs::path& path, std::string_view what) {
    return FailedPrecondition("'{}' is not {} in PEM form: {}", path.string(), what, openssl::TakeError());
  };
  const openssl::Cert ca = openssl::ParseCert(ca_pem), cert = openssl::ParseCert(cert_pem);
  const openssl::Key key = openssl::ParseKey(key_pem);
  if (ca == nullptr) return bad(identity.ca(), "a certificate");
  if (cert == nullptr) return bad(identity.cert(), "a certificate");
  if (key == nullptr) return bad(identity.key(), "a private key without password");
  if (X509_check_private_key(cert.get(), key.get()) != 1) {
    return FailedPrecondition("'{}' is not the key of '{}'", identity.key().string(),
                              identity.cert().string());
  }
  ReadNames(cert.get(), &identity);
  identity.until_s = ToUnix(X509_get0_notAfter(cert.get()));
  RETURN_IF_ERROR(CheckChain(identity, cert.get(), ca.get()));
  return identity;
}

std::string FormatDate(int64_t unix_s) { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(unix_s)); }

}  // namespace dilemma
