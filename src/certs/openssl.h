// Owners of OpenSSL's objects, and its errors as text. For this room only.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

namespace dilemma::openssl {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;

// The oldest error of this thread, and none are left: "no start line".
std::string TakeError();

// Of PEM text; nullptr where there is none.
Cert ParseCert(std::string_view pem);
Key ParseKey(std::string_view pem);
std::string ToPem(X509* cert);
std::string ToPem(EVP_PKEY* key);

}  // namespace dilemma::openssl
