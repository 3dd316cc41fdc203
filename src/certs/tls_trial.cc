#include "certs/tls_trial.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>

#include "base/status.h"
#include "certs/openssl.h"

namespace dilemma {
namespace {

absl::Status Unauthenticated(std::string message) { return absl::UnauthenticatedError(std::move(message)); }

// OpenSSL writes such that a peer who hung up would end this process.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipe() {
    const timespec at_once = {};
    while (sigtimedwait(&pipe_, nullptr, &at_once) > 0) {  // one that came meanwhile
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipe(const NoBrokenPipe&) = delete;
  NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;

 private:
  sigset_t pipe_, before_;
};

absl::StatusOr<openssl::Context> MakeContext(const Identity& who) {
  openssl::Context context(SSL_CTX_new(TLS_client_method()));
  const bool good = context != nullptr && SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1 &&
                    SSL_CTX_load_verify_locations(context.get(), who.ca().c_str(), nullptr) == 1 &&
                    SSL_CTX_use_certificate_chain_file(context.get(), who.cert().c_str()) == 1 &&
                    SSL_CTX_use_PrivateKey_file(context.get(), who.key().c_str(), SSL_FILETYPE_PEM) == 1;
  if (!good) return Unauthenticated(fmt::format("'{}': {}", who.folder.string(), openssl::TakeError()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

void SetTimeout(BIO* bio, double timeout_s) {
  int socket = -1;
  BIO_get_fd(bio, &socket);
  BIO_socket_nbio(socket, 0);  // connecting with a time limit left it so
  timeval limit = {
      static_cast<time_t>(timeout_s),
      static_cast<suseconds_t>((timeout_s - static_cast<double>(static_cast<time_t>(timeout_s))) * 1e6)};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

absl::Status WhyNoHandshake(SSL* ssl, const std::string& server, const Identity& who) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified == X509_V_ERR_HOSTNAME_MISMATCH) {
    return Unauthenticated(fmt::format("its certificate is not for the name '{}'", server));
  }
  if (verified != X509_V_OK) {
    return Unauthenticated(fmt::format("its certificate is refused: {} (authority '{}')",
                                       X509_verify_cert_error_string(verified), who.ca().string()));
  }
  const unsigned long code = ERR_peek_error();
  if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    ERR_clear_error();
    return Unavailable("it does not answer");
  }
  if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
    ERR_clear_error();
    return Unauthenticated(
        "what listens there does not speak TLS 1.3: a node started with --insecure, or another program");
  }
  return Unauthenticated(fmt::format("the TLS handshake failed: {}", openssl::TakeError()));
}

// With TLS 1.3 a client is done before the server has looked at its certificate: the answer comes with the
// first read.
absl::Status WaitForRefusal(SSL* ssl, const Identity& who) {
  char byte = 0;
  if (SSL_read(ssl, &byte, 1) > 0) return absl::OkStatus();
  if (ERR_peek_error() == 0) return absl::OkStatus();  // silence
  // The RPC library's server hangs up without an alert that says why.
  const bool silent = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  const std::string reason = openssl::TakeError();
  return Unauthenticated(
      fmt::format("it refuses the certificate '{}' ({}): {}", who.cert().string(), who.name,
                  silent ? "it is of another authority than the node's, or has expired" : reason));
}

}  // namespace

absl::Status TryTls(const std::string& address, const std::string& server, const Identity& who,
                    double timeout_s) {
  const NoBrokenPipe no_broken_pipe;
  ERR_clear_error();
  ASSIGN_OR_RETURN(const openssl::Context context, MakeContext(who));
  const openssl::Bio bio(BIO_new_ssl_connect(context.get()));
  SSL* ssl = nullptr;
  BIO_get_ssl(bio.get(), &ssl);
  if (ssl == nullptr) return Internal("cannot set up TLS: {}", openssl::TakeError());
  BIO* plain = BIO_next(bio.get());
  BIO_set_conn_hostname(plain, address.c_str());
  static constexpr unsigned char kHttp2[] = "\x02h2";
  SSL_set_alpn_protos(ssl, kHttp2, 3);
  SSL_set_tlsext_host_name(ssl, server.c_str());
  SSL_set1_host(ssl, server.c_str());
  if (BIO_do_connect_retry(plain, static_cast<int>(timeout_s) + 1, -1) != 1) {
    ERR_clear_error();
    return Unavailable("nobody listens there");
  }
  SetTimeout(plain, timeout_s);
  if (SSL_connect(ssl) != 1) return WhyNoHandshake(ssl, server, who);
  return WaitForRefusal(ssl, who);
}

}  // namespace dilemma
