#include "cluster/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace dilemma {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kGood = R"(
name = "lab"
default_latency = "2 ms"
default_bandwidth = "100 Mbit/s"
[[server]]
name = "a"
address = "10.0.0.1:7070"
memory = "64 MiB"
[[server]]
name = "b"
trusted = false
[[link]]
from = "a"
to = "b"
latency = "10 ms"
bandwidth = "20 Mbit/s"
via = "127.0.0.1:9"
)";

TEST(ClusterTest, ReadsServersAndLinks) {
  const Cluster cluster = *ParseCluster(kGood, "lab.toml");
  ASSERT_EQ(cluster.servers.size(), 2U);
  EXPECT_EQ(*cluster.servers[0].memory_bytes, 64 << 20);
  EXPECT_FALSE(cluster.servers[1].trusted);
  EXPECT_DOUBLE_EQ(cluster.Between("b", "a").latency_s, 0.010);
  EXPECT_EQ(cluster.Between("b", "a").via, "");
  EXPECT_EQ(cluster.AddressFrom("a", "b"), "127.0.0.1:9");
  EXPECT_EQ(cluster.AddressFrom("b", "a"), "10.0.0.1:7070");
  EXPECT_DOUBLE_EQ(cluster.Between("user", "a").latency_s, 0.002);
}

TEST(ClusterTest, WritesWhatItReads) {
  const Cluster cluster = *ParseCluster(kGood, "lab.toml");
  const Cluster again = *ParseCluster(ClusterToToml(cluster), "again.toml");
  EXPECT_EQ(ClusterToToml(again), ClusterToToml(cluster));
  EXPECT_DOUBLE_EQ(again.Between("a", "b").bandwidth_bps, 2e7);
}

std::string ErrorOf(std::string_view toml) {
  return std::string(Message(ParseCluster(toml, "lab.toml").status()));
}

TEST(ClusterTest, ErrorsNameLineFieldAndRemedy) {
  EXPECT_THAT(ErrorOf("[[server]]\nname = \"a\"\nmemory = \"4 Gbit\"\n"),
              AllOf(HasSubstr("lab.toml: line 3"), HasSubstr("'memory'"), HasSubstr("write it like")));
  EXPECT_THAT(ErrorOf("[[server]]\nname = \"a\"\nmemory = 4\n"), HasSubstr("text in quotes"));
  EXPECT_THAT(ErrorOf("[[server]]\nname = \"a\"\nmemroy = \"4 GiB\"\n"),
              HasSubstr("'memroy': is not a field here"));
  EXPECT_THAT(ErrorOf("[[server]]\naddress = \"x\"\n"), HasSubstr("'name': is missing"));
  EXPECT_THAT(ErrorOf("[[server]\n"), HasSubstr("not valid TOML"));
  EXPECT_THAT(ErrorOf("server = 3\n"), HasSubstr("[[server]] sections"));
  EXPECT_THAT(ErrorOf("name = \"x\"\n"), HasSubstr("no [[server]]"));
  EXPECT_THAT(ErrorOf("[[server]]\nname=\"a\"\n[[server]]\nname=\"a\"\n"),
              HasSubstr("two servers named 'a'"));
  EXPECT_THAT(ErrorOf("[[server]]\nname=\"a\"\n[[link]]\nfrom=\"a\"\nto=\"z\"\n"),
              HasSubstr("no server 'z'"));
  EXPECT_THAT(ErrorOf("[[server]]\nname=\"user\"\n"), HasSubstr("requests come from"));
}

// Found by fuzzing: the parser asserted.
TEST(ClusterTest, AHeaderThatIsNoNameIsAnError) {
  const auto cluster = ParseCluster("[[|ink]]\n", "lab.toml");
  EXPECT_EQ(cluster.status().code(), absl::StatusCode::kInvalidArgument);
}

// Found by review: quotes and backslashes in values were written as they were.
TEST(ClusterTest, TextIsEscapedWhenWritten) {
  const auto cluster =
      ParseCluster("name = 'a\"b\\'\ncerts = '/x/\"y'\n[[server]]\nname = \"a\"\n", "lab.toml");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const auto again = ParseCluster(ClusterToToml(*cluster), "again.toml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->name, cluster->name);
  EXPECT_EQ(again->certs, cluster->certs);
}

}  // namespace
}  // namespace dilemma
