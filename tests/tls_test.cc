// Closed doors: who has no certificate of the cluster's authority, or the wrong one, is turned away and told
// why; who has one is let in, also after the files were renewed under a running node.
#include <openssl/ssl.h>

#include <chrono>
#include <thread>

#include "certs/cert_folder.h"
#include "certs/tls_trial.h"
#include "gmock/gmock.h"
#include "runtime/client.h"
#include "runtime/credentials.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr double kConnectS = 2;

std::string Says(const absl::Status& status) { return std::string(Message(status)); }

Validity PastDays() { return {ValidForDays(-20).until_s, ValidForDays(-10).until_s}; }

// A node "a" and certificates for it, for another server and for two coordinators.
class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeCerts("certs", {});
    StartNode(certs("a"));
  }

  void MakeCerts(const std::string& folder, std::optional<Validity> validity) {
    CertFolderOptions options;
    options.cluster = "test";
    options.parties = {{"user", Role::kCoordinator},
                       {"ops", Role::kCoordinator},
                       {"a", Role::kServer},
                       {"b", Role::kServer}};
    if (validity.has_value()) options.validity = *validity;
    const auto made = MakeCertFolder(dir_.path() / folder, options);
    ASSERT_TRUE(made.ok()) << made.status();
  }
  fs::path certs(const std::string& party, const std::string& folder = "certs") const {
    return dir_.path() / folder / party;
  }

  void StartNode(const fs::path& folder, const std::vector<std::string>& coordinators = {}) {
    node_.reset();
    NodeOptions options;
    options.name = "a";
    options.store = dir_.path() / "store";
    options.coordinators = coordinators;
    const auto credentials = LoadCredentials(folder);
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    options.credentials = *credentials;
    auto node = Node::Start(options);
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
  }

  absl::StatusOr<std::unique_ptr<NodeClient>> Connect(const fs::path& folder,
                                                      const std::string& server = "a") {
    ConnectAs as;
    as.server = server;
    ASSIGN_OR_RETURN(as.credentials, LoadCredentials(folder));
    return NodeClient::Connect(node_->address(), kConnectS, as);
  }
  // Of the call that anybody may want.
  absl::Status Ask(const fs::path& folder) {
    ASSIGN_OR_RETURN(const auto client, Connect(folder));
    return client->Info().status();
  }

  TempDir dir_ = *TempDir::Create("dilemma-tls");
  std::unique_ptr<Node> node_;
};

TEST_F(TlsTest, ACoordinatorIsLetIn) { EXPECT_TRUE(Ask(certs("user")).ok()) << Ask(certs("user")); }

TEST_F(TlsTest, AServerMayNotGiveWorkButMayMeasure) {
  const auto client = Connect(certs("b"));
  ASSERT_TRUE(client.ok()) << client.status();
  const auto info = (*client)->Info();
  EXPECT_TRUE(absl::IsPermissionDenied(info.status())) << info.status();
  EXPECT_THAT(Says(info.status()), HasSubstr("'b'"));
  EXPECT_TRUE(absl::IsPermissionDenied((*client)->DropShard(std::string(64, '0'))));
  EXPECT_TRUE((*client)->MeasureLink({.round_trips = 3, .large_messages = 0}).ok());
}

TEST_F(TlsTest, OnlyCoordinatorsOfTheList) {
  StartNode(certs("a"), {"ops"});
  EXPECT_TRUE(Ask(certs("ops")).ok());
  const absl::Status other = Ask(certs("user"));
  EXPECT_TRUE(absl::IsPermissionDenied(other)) << other;
  EXPECT_THAT(Says(other), HasSubstr("--coordinators"));
}

TEST_F(TlsTest, PlainTextIsTurnedAway) {
  const auto client = NodeClient::Connect(node_->address(), kConnectS);
  EXPECT_TRUE(absl::IsUnavailable(client.status()));
  EXPECT_THAT(Says(client.status()), HasSubstr("plain text"));
  EXPECT_TRUE(Ask(certs("user")).ok());
}

TEST_F(TlsTest, APlainNodeIsNotTalkedTo) {
  NodeOptions options;
  options.store = dir_.path() / "plain";
  node_ = *Node::Start(options);
  const auto client = Connect(certs("user"));
  EXPECT_TRUE(absl::IsUnauthenticated(client.status())) << client.status();
  EXPECT_THAT(Says(client.status()), HasSubstr("does not speak TLS 1.3"));
}

TEST_F(TlsTest, AnUnknownAuthorityIsTurnedAwayByBoth) {
  MakeCerts("foreign", {});
  const auto client = Connect(certs("user", "foreign"));
  EXPECT_TRUE(absl::IsUnauthenticated(client.status())) << client.status();
  EXPECT_THAT(Says(client.status()), HasSubstr("its certificate is refused"));
  // One that believes the node, as a thief of ca.pem would.
  fs::copy_file(certs("user") / "ca.pem", certs("user", "foreign") / "ca.pem",
                fs::copy_options::overwrite_existing);
  Identity thief = *LoadIdentity(certs("user"));
  thief.folder = certs("user", "foreign");
  const absl::Status refused = TryTls(node_->address(), "a", thief, kConnectS);
  EXPECT_TRUE(absl::IsUnauthenticated(refused)) << refused;
  EXPECT_THAT(Says(refused), HasSubstr("it refuses the certificate"));
}

TEST_F(TlsTest, AnExpiredCertificateIsTurnedAwayAndNotEvenLoaded) {
  CertFolderOptions old;
  old.cluster = "test";
  old.parties = {{"late", Role::kCoordinator}};
  old.validity = PastDays();
  ASSERT_TRUE(RenewCertFolder(dir_.path() / "certs", old).ok());
  const auto client = Connect(certs("late"));
  EXPECT_THAT(Says(client.status()), HasSubstr("expired"));
  EXPECT_THAT(Says(client.status()), HasSubstr("--renew"));
  Identity late;
  late.folder = certs("late");
  const absl::Status refused = TryTls(node_->address(), "a", late, kConnectS);
  EXPECT_TRUE(absl::IsUnauthenticated(refused));
  EXPECT_THAT(Says(refused), HasSubstr("expired"));
}

TEST_F(TlsTest, AWrongNameIsTurnedAway) {
  const auto client = Connect(certs("user"), "b");
  EXPECT_TRUE(absl::IsUnauthenticated(client.status())) << client.status();
  EXPECT_THAT(Says(client.status()), HasSubstr("not for the name 'b'"));
}

TEST_F(TlsTest, ACoordinatorsCertificateMakesNoServer) {
  NodeOptions options;
  options.name = "user";
  options.store = dir_.path() / "user-store";
  options.credentials = *LoadCredentials(certs("user"));
  EXPECT_THAT(Says(Node::Start(options).status()), HasSubstr("made for a coordinator"));
}

TEST_F(TlsTest, OlderTlsIsTurnedAway) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_options(context, SSL_OP_NO_TLSv1_3);
  SSL_CTX_clear_options(context, SSL_OP_NO_TLSv1_2);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  const fs::path own = certs("user");
  ASSERT_EQ(SSL_CTX_use_certificate_chain_file(context, (own / kCertFile).c_str()), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey_file(context, (own / kKeyFile).c_str(), SSL_FILETYPE_PEM), 1);
  const auto handshake = [&] {
    BIO* bio = BIO_new_ssl_connect(context);
    BIO_set_conn_hostname(bio, node_->address().c_str());
    const bool done = BIO_do_handshake(bio) == 1;
    BIO_free_all(bio);
    return done;
  };
  EXPECT_FALSE(handshake());
  SSL_CTX_clear_options(context, SSL_OP_NO_TLSv1_3);
  EXPECT_TRUE(handshake());  // the same with TLS 1.3
  SSL_CTX_free(context);
}

TEST_F(TlsTest, NewFilesCountWithoutARestart) {
  ASSERT_TRUE(Ask(certs("user")).ok());
  const auto before = fs::last_write_time(certs("a") / kCertFile);
  // Another authority altogether: who has the old files is turned away from then on, who has the new ones let
  // in.
  MakeCerts("next", {});
  for (const std::string party : {"a", "user"}) {
    fs::rename(certs(party), dir_.path() / ("old-" + party));
    fs::copy(certs(party, "next"), certs(party));
  }
  EXPECT_NE(fs::last_write_time(certs("a") / kCertFile), before);
  absl::Status asked = absl::UnknownError("not yet");
  for (int i = 0; i < 100 && !asked.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    asked = Ask(certs("user"));
  }
  EXPECT_TRUE(asked.ok()) << asked;
  EXPECT_FALSE(Ask(dir_.path() / "old-user").ok());
}

TEST_F(TlsTest, PlainTextStaysOnThisMachine) {
  NodeOptions options;
  options.store = dir_.path() / "open";
  options.listen = "0.0.0.0:0";
  const auto open = Node::Start(options);
  EXPECT_TRUE(absl::IsFailedPrecondition(open.status()));
  EXPECT_THAT(Says(open.status()), HasSubstr("dilemma certs"));
  const auto far = NodeClient::Connect("192.0.2.1:7070", 0.2);
  EXPECT_TRUE(absl::IsFailedPrecondition(far.status())) << far.status();
  options.listen = "0.0.0.0:0";
  options.name = "b";
  options.credentials = *LoadCredentials(certs("b"));
  EXPECT_TRUE(Node::Start(options).ok());
}

TEST_F(TlsTest, ARingOverTls) {
  NEEDS_MODEL();
  const CutModel cut = CutForTest({10});
  LocalNodes nodes(0);
  nodes.cluster.certs = certs("user");
  for (const std::string name : {"a", "b"}) {
    NodeOptions options;
    options.name = name;
    options.store = dir_.path() / ("store-" + name);
    options.threads = 1;
    options.credentials = *LoadCredentials(certs(name));
    auto node = Node::Start(options);
    ASSERT_TRUE(node.ok()) << node.status();
    Server server;
    server.name = name;
    server.address = (*node)->address();
    nodes.cluster.servers.push_back(server);
    nodes.nodes.push_back(*std::move(node));
  }
  const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
  ASSERT_TRUE(ring.ok()) << ring.status();
  GenerateRequest request;
  request.prompt = cut.Tokens("Once upon a time");
  request.max_tokens = 8;
  const auto result = (*ring)->Generate(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, RunWhole(cut, request.prompt, 8, 64).tokens);
}

}  // namespace
}  // namespace dilemma
