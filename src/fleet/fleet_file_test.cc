#include "fleet/fleet_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  return std::string(ParseFleetFile(text, "fleet.toml", "dir").status().message());
}

TEST(FleetFile, ReadsModelsOfBothKinds) {
  const auto file = ParseFleetFile(R"(
cluster = "c.toml"
[[model]]
path = "chat.gguf"
profile = "/abs/profile.json"
weight = 2.5
max_loss = 0.25
users = 4
wire = "f16"
[[model]]
problem = "b.json"
)",
                                   "fleet.toml", "dir");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->cluster, "dir/c.toml");
  ASSERT_EQ(file->models.size(), 2U);
  const FleetEntry& chat = file->models[0];
  EXPECT_EQ(chat.name, "chat");
  EXPECT_EQ(chat.model, "dir/chat.gguf");
  EXPECT_EQ(chat.profile, "/abs/profile.json");
  EXPECT_EQ(chat.weight, 2.5);
  EXPECT_EQ(chat.max_loss, 0.25);
  EXPECT_EQ(chat.workload.users, 4);
  EXPECT_EQ(chat.workload.wire, WireType::kF16);
  EXPECT_EQ(file->models[1].problem, "dir/b.json");
  EXPECT_EQ(file->models[1].weight, 1);
}

TEST(FleetFile, ErrorsNameLineAndField) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("no [[model]]"));
  EXPECT_THAT(ErrorOf("cluster = \"c\"\n[[model]]\nwieght = 2\npath = \"a\"\nprofile = \"p\""),
              HasSubstr("line 3: model 1, 'wieght'"));
  EXPECT_THAT(ErrorOf("[[model]]\nweight = 1"), HasSubstr("either path"));
  EXPECT_THAT(ErrorOf("[[model]]\npath = \"a\"\nproblem = \"b\""), HasSubstr("either path"));
  EXPECT_THAT(ErrorOf("[[model]]\nproblem = \"b\"\nweight = -1"), HasSubstr("'weight': expected a number"));
  EXPECT_THAT(ErrorOf("[[model]]\nproblem = \"b\"\nusers = 2"), HasSubstr("'users': is not a field here"));
  EXPECT_THAT(ErrorOf("[[model]]\npath = \"a\"\nprofile = \"p\""), HasSubstr("must name its cluster"));
  EXPECT_THAT(ErrorOf("[[model]]\npath = \"a\""), HasSubstr("'profile': is missing"));
  EXPECT_THAT(ErrorOf("[[model]]\nproblem = \"b\"\n[[model]]\nproblem = \"x/b\""),
              HasSubstr("two models named 'b'"));
  EXPECT_THAT(
      ErrorOf(
          "cluster = \"c\"\n[[model]]\npath = \"a\"\nprofile = \"p\"\nmax_loss = 1\nas_good_as = \"q4_0\""),
      HasSubstr("not both"));
}

}  // namespace
}  // namespace dilemma
