// Certificates as a user makes and uses them, and the doors that stay closed without.
#include <sys/stat.h>

#include "base/json.h"
#include "gmock/gmock.h"
#include "tests/background_command.h"
#include "tests/command_runner.h"

namespace dilemma::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CertsCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(cluster_) << "name = \"lab\"\n[[server]]\nname = \"edge-1\"\naddress = \"127.0.0.1:1\"\n"
                               "[[server]]\nname = \"edge-2\"\naddress = \"127.0.0.1:1\"\n";
  }
  CommandResult Certs(const std::string& further = "") const {
    return Dilemma("certs " + cluster_ + " --out " + certs_ + " " + further, 20);
  }
  std::string Node(const std::string& party) const {
    return "node --name " + party + " --listen 127.0.0.1:0 --store " + (dir_.path() / "store").string();
  }

  TempDir dir_ = *TempDir::Create("dilemma-certs");
  const std::string cluster_ = dir_.path() / "lab.toml", certs_ = dir_.path() / "certs";
};

TEST_F(CertsCommandTest, MakesOneForEachServerAndTheUser) {
  const CommandResult made = Certs("--json --days 30");
  ASSERT_EQ(made.code, 0) << made.err;
  const Json json = *ParseJson(made.out, "output");
  ASSERT_EQ(json["certificates"].size(), 3u);
  EXPECT_EQ(json["certificates"][0]["name"], "user");
  EXPECT_EQ(json["certificates"][0]["role"], "coordinator");
  for (const std::string party : {"user", "edge-1", "edge-2"}) {
    struct stat info = {};
    ASSERT_EQ(stat((certs_ + "/" + party + "/key.pem").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
  }
  const CommandResult again = Certs();
  EXPECT_NE(again.code, 0);
  EXPECT_THAT(again.err, HasSubstr("--renew"));
  const CommandResult renewed = Certs("--renew --coordinators user,ops");
  EXPECT_EQ(renewed.code, 0) << renewed.err;
  EXPECT_THAT(renewed.out, AllOf(HasSubstr("ops"), HasSubstr("rsync")));
}

TEST_F(CertsCommandTest, NamesThatCannotStandInACertificateAreRefused) {
  const CommandResult made = Certs("--coordinators ../user");
  EXPECT_EQ(made.code, 2);
  EXPECT_THAT(made.err, HasSubstr("'../user'"));
  EXPECT_FALSE(std::filesystem::exists(certs_));
}

TEST_F(CertsCommandTest, ANodeWantsACertificateOfItsName) {
  ASSERT_EQ(Certs().code, 0);
  const CommandResult without = Dilemma(Node("edge-1"), 20);
  EXPECT_EQ(without.code, 1);
  EXPECT_THAT(without.err, AllOf(HasSubstr("dilemma certs"), HasSubstr("--insecure")));
  const CommandResult other = Dilemma(Node("edge-2") + " --certs " + certs_ + "/edge-1", 20);
  EXPECT_NE(other.code, 0);
  EXPECT_THAT(other.err, HasSubstr("is for 'edge-1'"));
  const CommandResult both = Dilemma(Node("edge-1") + " --insecure --certs " + certs_ + "/edge-1", 20);
  EXPECT_EQ(both.code, 2);
  BackgroundCommand good({"node", "--name", "edge-1", "--listen", "127.0.0.1:0", "--store",
                          (dir_.path() / "store").string(), "--certs", certs_ + "/edge-1"});
  EXPECT_TRUE(good.WaitFor("listening on")) << good.Err();
}

TEST_F(CertsCommandTest, PlainTextIsForThisMachineOnly) {
  const CommandResult open =
      Dilemma("node --insecure --listen 0.0.0.0:0 --store " + (dir_.path() / "s").string(), 20);
  EXPECT_NE(open.code, 0);
  EXPECT_THAT(open.err, HasSubstr("dilemma certs"));
}

TEST_F(CertsCommandTest, ACommandWantsCertificatesToo) {
  SKIP_WITHOUT_MODEL();
  const std::string profile = "profile '" + SmolModel().string() + "' -o /dev/null --cluster " + cluster_;
  const CommandResult without = Dilemma(profile, 20);
  EXPECT_NE(without.code, 0);
  EXPECT_THAT(without.err, AllOf(HasSubstr("certs = "), HasSubstr("--insecure")));
  const CommandResult nowhere = Dilemma(profile + " --certs /nowhere", 20);
  EXPECT_THAT(nowhere.err, HasSubstr("/nowhere/ca.pem"));
  ASSERT_EQ(Certs().code, 0);
  EXPECT_THAT(Dilemma(profile + " --certs " + certs_ + "/user", 60).err, HasSubstr("edge-1"));  // not there
}

}  // namespace
}  // namespace dilemma::testing
