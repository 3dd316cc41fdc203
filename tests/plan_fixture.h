// A cluster of four unequal servers, its profile and a quality table for the small real model, written as the
// files that `dilemma plan` reads: what its command is tested on.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/json.h"
#include "cluster/cluster.h"
#include "tests/command_runner.h"

namespace dilemma::testing {

// Needs SmolModel(). Times and losses are made up and round; what is planned from them is exact all the same.
class PlanFixture {
 public:
  static absl::StatusOr<PlanFixture> Create();
  std::filesystem::path At(const std::string& name) const { return dir_.path() / name; }
  // `dilemma plan` of the model on the cluster, with these arguments besides.
  CommandResult Plan(const std::string& arguments) const;
  const Cluster& cluster() const { return cluster_; }

 private:
  explicit PlanFixture(TempDir dir) : dir_(std::move(dir)) {}
  TempDir dir_;
  Cluster cluster_;
};

// Of tests on one such fixture each.
class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_MODEL();
    auto fixture = PlanFixture::Create();
    ASSERT_TRUE(fixture.ok()) << fixture.status();
    fixture_.emplace(*std::move(fixture));
  }

  // The document that `plan --json` prints; null where it fails.
  Json PlanJson(const std::string& arguments) const {
    const CommandResult result = fixture_->Plan("--json " + arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    const auto json = ParseJson(result.out, "output");
    EXPECT_TRUE(json.ok()) << json.status();
    return json.ok() ? *json : Json(nullptr);
  }

  std::optional<PlanFixture> fixture_;
};

}  // namespace dilemma::testing
