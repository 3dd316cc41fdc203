// Plan, profile, quality table and bare problem: the first byte says which the rest is.
#include <functional>

#include "base/json.h"
#include "cluster/profile.h"
#include "fuzz/fuzz.h"
#include "plan/plan.h"
#include "planner/problem_file.h"
#include "planner/random_problem.h"
#include "quality/quality.h"

namespace dilemma::fuzz {
namespace {

// Reads, writes, reads again; nothing where it is not such a document.
template <typename Read, typename Write>
void RoundTrip(const Json& json, Read read, Write write) {
  const auto value = read(json);
  if (!value.ok()) return;
  const auto again = ParseJson(write(*value).dump(-1, ' ', false, Json::error_handler_t::replace), "again");
  Require(again.ok() && read(*again).ok(), "a document that was read can be written and read again");
}

void ReadAs(uint8_t kind, const Json& json) {
  const auto field = [](const Json& j) { return JsonField(j, "fuzz"); };
  switch (kind % 4) {
    case 0:
      return RoundTrip(
          json, [&](const Json& j) { return PlanFromJson(field(j)); }, PlanToJson);
    case 1:
      return RoundTrip(
          json, [&](const Json& j) { return ProfileFromJson(field(j)); }, ProfileToJson);
    case 2:
      return RoundTrip(
          json, [&](const Json& j) { return QualityFromJson(field(j)); }, QualityToJson);
    default:
      return RoundTrip(
          json, [](const Json& j) { return ProblemFromJson(j, "fuzz"); }, ProblemToJson);
  }
}

Plan SmallPlan() {
  Plan plan;
  plan.model_name = "m";
  plan.model_sha256 = std::string(64, 'a');
  plan.arch = "llama";
  for (int k = 0; k < 2; ++k) {
    PlanStage stage;
    stage.server = std::string(1, static_cast<char>('a' + k));
    stage.first_unit = k;
    stage.last_unit = k;
    stage.types = {*TypeMix::Parse("q4_0+attn_v=q8_0")};
    stage.shard = std::string(64, 'b');
    plan.stages.push_back(stage);
  }
  return plan;
}

Profile SmallProfile() {
  Profile profile;
  profile.model = "m";
  profile.servers.resize(1);
  profile.servers[0].server = "a";
  profile.servers[0].times["layer"]["q4_0"] = {0.001, 1e-6, 0.01, 0.001};
  profile.links = {{"user", "a", 0.001, 1e8}, {"a", "user", 0.001, 1e8}};
  return profile;
}

QualityTable SmallTable() {
  QualityTable table;
  table.model = "m";
  table.units.resize(1);
  table.units[0].unit = "embedding";
  table.units[0].choices = {{*TypeMix::Parse("q8_0"), 100, 0.1}};
  return table;
}

}  // namespace

std::vector<std::string> Seeds() {
  return {
      "0" + PlanToJson(SmallPlan()).dump(), "1" + ProfileToJson(SmallProfile()).dump(),
      "2" + QualityToJson(SmallTable()).dump(),
      "3" + ProblemToJson(RandomProblem({.units = 3, .servers = 2, .ring = true, .ragged = true}, 1)).dump()};
}

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dilemma;
  if (size == 0) return 0;
  const auto json = ParseJson(fuzz::View(data + 1, size - 1), "fuzz");
  if (json.ok()) fuzz::ReadAs(data[0], *json);
  return 0;
}
