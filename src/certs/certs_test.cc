#include <sys/stat.h>

#include "base/file.h"
#include "base/status.h"
#include "certs/cert_folder.h"
#include "gmock/gmock.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Says(const absl::Status& status) { return std::string(Message(status)); }

class CertsTest : public testing::Test {
 protected:
  CertFolderOptions Options() const {
    CertFolderOptions options;
    options.cluster = "lab";
    options.parties = {{"user", Role::kCoordinator}, {"edge-1", Role::kServer}};
    return options;
  }
  static unsigned Mode(const fs::path& path) {
    struct stat info = {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777U : 0;
  }

  TempDir dir_ = *TempDir::Create("dilemma-certs");
  fs::path folder_ = dir_.path() / "certs";
};

TEST_F(CertsTest, EveryPartyGetsACertificateThatItsAuthoritySigned) {
  ASSERT_TRUE(MakeCertFolder(folder_, Options()).ok());
  const auto server = LoadIdentity(folder_ / "edge-1"), user = LoadIdentity(folder_ / "user");
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(server->name, "edge-1");
  EXPECT_EQ(server->role, Role::kServer);
  EXPECT_EQ(user->role, Role::kCoordinator);
  EXPECT_EQ(FormatDate(server->until_s), FormatDate(ValidForDays(365).until_s));
}

TEST_F(CertsTest, OnlyTheOwnerReadsKeys) {
  ASSERT_TRUE(MakeCertFolder(folder_, Options()).ok());
  EXPECT_EQ(Mode(folder_ / "ca.key"), 0600U);
  EXPECT_EQ(Mode(folder_ / "edge-1" / "key.pem"), 0600U);
  EXPECT_EQ(Mode(folder_ / "edge-1"), 0700U);
  fs::permissions(folder_ / "edge-1" / "key.pem", fs::perms(0644));
  EXPECT_THAT(Says(LoadIdentity(folder_ / "edge-1").status()), HasSubstr("chmod 600"));
}

TEST_F(CertsTest, NothingIsOverwrittenUnlessRenewed) {
  ASSERT_TRUE(MakeCertFolder(folder_, Options()).ok());
  const std::string first = *ReadFile(folder_ / "edge-1" / "key.pem"), ca = *ReadFile(folder_ / "ca.pem");
  EXPECT_TRUE(absl::IsAlreadyExists(MakeCertFolder(folder_, Options()).status()));
  EXPECT_EQ(*ReadFile(folder_ / "edge-1" / "key.pem"), first);
  CertFolderOptions more = Options();
  more.parties.push_back({"edge-2", Role::kServer});
  ASSERT_TRUE(RenewCertFolder(folder_, more).ok());
  EXPECT_NE(*ReadFile(folder_ / "edge-1" / "key.pem"), first);
  EXPECT_EQ(*ReadFile(folder_ / "ca.pem"), ca);
  EXPECT_TRUE(LoadIdentity(folder_ / "edge-2").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 5);  // no leftovers
}

TEST_F(CertsTest, BadNamesAreRefused) {
  for (const std::string name : {"", "..", "a b", "a/b", "-a", ".a", "10.0.0.1", "ca.pem"}) {
    CertFolderOptions options = Options();
    options.parties.push_back({name, Role::kServer});
    EXPECT_FALSE(MakeCertFolder(folder_, options).ok()) << name;
    EXPECT_FALSE(fs::exists(folder_));
  }
  CertFolderOptions twice = Options();
  twice.parties.push_back({"EDGE-1", Role::kServer});
  EXPECT_THAT(Says(MakeCertFolder(folder_, twice).status()), HasSubstr("upper and lower case"));
  EXPECT_TRUE(CheckPartyName(std::string(63, 'a')).ok());
  EXPECT_FALSE(CheckPartyName(std::string(64, 'a')).ok());
}

TEST_F(CertsTest, MixedUpFilesAreRefused) {
  ASSERT_TRUE(MakeCertFolder(folder_, Options()).ok());
  const auto overwrite = fs::copy_options::overwrite_existing;
  const fs::path server = folder_ / "edge-1";
  const std::string key = *ReadFile(server / "key.pem");
  fs::copy_file(folder_ / "user" / "key.pem", server / "key.pem", overwrite);
  EXPECT_THAT(Says(LoadIdentity(server).status()), HasSubstr("is not the key of"));
  ASSERT_TRUE(WriteFileAtomically(server / "key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n").ok());
  fs::permissions(server / "key.pem", fs::perms(0600));
  EXPECT_THAT(Says(LoadIdentity(server).status()), HasSubstr("private key"));
  fs::remove(server / "key.pem");
  EXPECT_THAT(Says(LoadIdentity(server).status()), HasSubstr("dilemma certs"));
  ASSERT_TRUE(MakeCertFolder(dir_.path() / "other", Options()).ok());
  fs::copy_file(dir_.path() / "other" / "ca.pem", folder_ / "user" / "ca.pem", overwrite);
  EXPECT_FALSE(LoadIdentity(folder_ / "user").ok());
}

TEST_F(CertsTest, AFolderThatCannotBeMadeIsAClearError) {
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "file", "x").ok());
  EXPECT_FALSE(MakeCertFolder(dir_.path() / "file" / "certs", Options()).ok());
  EXPECT_THAT(Says(RenewCertFolder(folder_, Options()).status()), HasSubstr("no authority to renew from"));
}

}  // namespace
}  // namespace dilemma
