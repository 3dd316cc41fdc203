#include "certs/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace dilemma::openssl {
namespace {

Bio Reader(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace

std::string TakeError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown reason";
}

Cert ParseCert(std::string_view pem) {
  return Cert(PEM_read_bio_X509(Reader(pem).get(), nullptr, nullptr, nullptr));
}

Key ParseKey(std::string_view pem) {
  char no_password[] = "";  // else OpenSSL would ask on the terminal
  return Key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, nullptr, no_password));
}

std::string ToPem(X509* cert) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert);
  return Contents(bio.get());
}

std::string ToPem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return Contents(bio.get());
}

}  // namespace dilemma::openssl
