#include "runtime/credentials.h"

#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/conf.h>
#include <openssl/ssl.h>

#include "base/status.h"
#include "certs/identity.h"
#include "runtime/grpc_credentials.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

namespace tls = grpc::experimental;

constexpr unsigned kRefreshS = 1;

// gRPC 1.51 offers no way to ask for TLS 1.3 and sets the minimum to 1.2 itself, but it leaves the protocols
// alone that OpenSSL's configuration switches off. This adds to the configuration of the process, after the
// machine's own was read.
absl::Status RequireTls13() {
  static const bool required = [] {
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, nullptr);
    constexpr std::string_view kConfig =
        "openssl_conf = dilemma\n"
        "[dilemma]\nssl_conf = ssl\n"
        "[ssl]\nsystem_default = tls\n"
        "[tls]\nProtocol = ALL,-SSLv3,-TLSv1,-TLSv1.1,-TLSv1.2\n";
    BIO* text = BIO_new_mem_buf(kConfig.data(), static_cast<int>(kConfig.size()));
    CONF* config = NCONF_new(nullptr);
    const bool loaded = text != nullptr && config != nullptr && NCONF_load_bio(config, text, nullptr) == 1 &&
                        CONF_modules_load(config, nullptr, 0) == 1;
    NCONF_free(config);
    BIO_free(text);
    return loaded;
  }();
  return required ? absl::OkStatus() : Internal("OpenSSL does not take the setting 'TLS 1.3 only'");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Credentials>> LoadCredentials(const std::filesystem::path& folder) {
  RETURN_IF_ERROR(RequireTls13());
  RouteGrpcLog();
  auto credentials = std::make_shared<Credentials>();
  ASSIGN_OR_RETURN(credentials->identity, LoadIdentity(folder));
  const Identity& who = credentials->identity;
  const auto files = std::make_shared<tls::FileWatcherCertificateProvider>(
      who.key().string(), who.cert().string(), who.ca().string(), kRefreshS);

  tls::TlsChannelCredentialsOptions to_servers;  // the server's name is checked: the default
  to_servers.set_certificate_provider(files);
  to_servers.watch_root_certs();
  to_servers.watch_identity_key_cert_pairs();
  credentials->channel = tls::TlsCredentials(to_servers);

  tls::TlsServerCredentialsOptions to_clients(files);  // who they are is checked call by call
  to_clients.watch_root_certs();
  to_clients.watch_identity_key_cert_pairs();
  to_clients.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  to_clients.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  credentials->server = tls::TlsServerCredentials(to_clients);
  if (credentials->channel == nullptr || credentials->server == nullptr) {
    return Internal("the RPC library does not take the certificates of '{}'", folder.string());
  }
  return credentials;
}

absl::StatusOr<std::shared_ptr<const Credentials>> CredentialsFor(const Cluster& cluster) {
  if (cluster.certs.empty()) return std::shared_ptr<const Credentials>();
  auto credentials = LoadCredentials(cluster.certs);
  if (!credentials.ok()) {
    return Annotate(credentials.status(), fmt::format("certificates of cluster '{}'", cluster.name));
  }
  return credentials;
}

bool IsLoopback(std::string_view address) {
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost" || host == "::1") return true;
  return host.substr(0, 4) == "127." && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Credentials* credentials) {
  return credentials == nullptr ? grpc::InsecureChannelCredentials() : credentials->channel;
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const Credentials* credentials) {
  return credentials == nullptr ? grpc::InsecureServerCredentials() : credentials->server;
}

}  // namespace dilemma
