#include "certs/authority.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>

#include "base/status.h"
#include "certs/openssl.h"

namespace dilemma {
namespace {

using openssl::Cert;
using openssl::Key;

constexpr int64_t kHour = 3600, kDay = 24 * kHour;

absl::Status OpensslError(std::string_view action) {
  return Internal("{}: {}", action, openssl::TakeError());
}

// 127 random bits: certificates of one authority never share a number.
bool SetSerial(X509* cert) {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
  const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != nullptr;
  BN_free(number);
  return set;
}

bool SetName(X509_NAME* into, std::string_view name) {
  const auto add = [&](const char* field, std::string_view text) {
    return X509_NAME_add_entry_by_txt(into, field, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()), -1, 0) == 1;
  };
  return add("O", "DILEMMA") && add("CN", name);
}

bool AddExtension(X509* cert, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(cert, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// All but the extensions and the signature. A CN has at most 64 characters.
absl::StatusOr<Cert> NewCert(std::string_view name, const Validity& validity, EVP_PKEY* key) {
  Cert cert(X509_new());
  const bool good = cert != nullptr && X509_set_version(cert.get(), X509_VERSION_3) == 1 &&
                    SetSerial(cert.get()) && SetName(X509_get_subject_name(cert.get()), name) &&
                    ASN1_TIME_set(X509_getm_notBefore(cert.get()), validity.from_s) != nullptr &&
                    ASN1_TIME_set(X509_getm_notAfter(cert.get()), validity.until_s) != nullptr &&
                    X509_set_pubkey(cert.get(), key) == 1;
  if (!good) return OpensslError("cannot make a certificate");
  return cert;
}

class PrivateAuthority : public Authority {
 public:
  PrivateAuthority(Cert cert, Key key) : cert_(std::move(cert)), key_(std::move(key)) {
    pem_ = {openssl::ToPem(cert_.get()), openssl::ToPem(key_.get())};
  }

  const CertAndKey& pem() const override { return pem_; }

  absl::StatusOr<CertAndKey> Issue(const Party& party, const Validity& validity) const override {
    RETURN_IF_ERROR(CheckPartyName(party.name));
    if (validity.until_s <= validity.from_s) return InvalidArgument("a certificate that is never valid");
    const Key key(EVP_EC_gen("P-256"));
    if (key == nullptr) return OpensslError("cannot make a key");
    ASSIGN_OR_RETURN(const Cert cert, NewCert(party.name, validity, key.get()));
    const bool server = party.role == Role::kServer;
    const std::string names = fmt::format("DNS:{},URI:{}", party.name, server ? kServerUri : kCoordinatorUri);
    const auto add = [&](int id, const std::string& value) {
      return AddExtension(cert.get(), cert_.get(), id, value);
    };
    const bool good = X509_set_issuer_name(cert.get(), X509_get_subject_name(cert_.get())) == 1 &&
                      add(NID_basic_constraints, "critical,CA:FALSE") &&
                      add(NID_key_usage, "critical,digitalSignature") &&
                      add(NID_ext_key_usage, server ? "serverAuth,clientAuth" : "clientAuth") &&
                      add(NID_subject_alt_name, names) && add(NID_subject_key_identifier, "hash") &&
                      add(NID_authority_key_identifier, "keyid:always") &&
                      X509_sign(cert.get(), key_.get(), EVP_sha256()) > 0;
    if (!good) return OpensslError("cannot sign a certificate");
    return CertAndKey{openssl::ToPem(cert.get()), openssl::ToPem(key.get())};
  }

 private:
  const Cert cert_;
  const Key key_;
  CertAndKey pem_;
};

bool LooksLikeIp(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

}  // namespace

std::string_view Name(Role role) { return role == Role::kServer ? "server" : "coordinator"; }

Validity ValidForDays(int days) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t now_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return {now_s - kHour, now_s + days * kDay};
}

absl::Status CheckPartyName(std::string_view name) {
  const bool letters = std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  });
  if (name.empty() || name.size() > 63 || !letters || name[0] == '.' || name[0] == '-' || LooksLikeIp(name)) {
    return InvalidArgument(
        "the name '{}' cannot stand in a certificate: 1 to 63 letters, digits, '.', '_' and '-', beginning "
        "with a letter, a digit or '_', and not an IP address",
        name);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Authority>> Authority::Create(std::string_view name,
                                                             const Validity& validity) {
  Key key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpensslError("cannot make a key");
  ASSIGN_OR_RETURN(Cert cert, NewCert(name.substr(0, 60), validity, key.get()));
  const auto add = [&](int id, const std::string& value) {
    return AddExtension(cert.get(), cert.get(), id, value);
  };
  const bool good = X509_set_issuer_name(cert.get(), X509_get_subject_name(cert.get())) == 1 &&
                    add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add(NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    add(NID_subject_key_identifier, "hash") &&
                    X509_sign(cert.get(), key.get(), EVP_sha256()) > 0;
  if (!good) return OpensslError("cannot make the authority's certificate");
  return std::make_unique<PrivateAuthority>(std::move(cert), std::move(key));
}

absl::StatusOr<std::unique_ptr<Authority>> Authority::Load(const CertAndKey& pem) {
  Cert cert = openssl::ParseCert(pem.cert_pem);
  if (cert == nullptr) return InvalidArgument("not a certificate in PEM form: {}", openssl::TakeError());
  Key key = openssl::ParseKey(pem.key_pem);
  if (key == nullptr) return InvalidArgument("not a private key in PEM form: {}", openssl::TakeError());
  if (X509_check_private_key(cert.get(), key.get()) != 1) {
    return InvalidArgument("the authority's key is not the one of its certificate");
  }
  return std::make_unique<PrivateAuthority>(std::move(cert), std::move(key));
}

}  // namespace dilemma
