#include "plan/explanation.h"

#include "base/status.h"

namespace dilemma {
namespace {

absl::StatusOr<LimitWorth> WorthFromJson(const JsonField& json) {
  LimitWorth worth;
  ASSIGN_OR_RETURN(worth.limit, json.String("limit"));
  ASSIGN_OR_RETURN(worth.unit, json.String("unit"));
  if (!json.Missing("used")) {
    ASSIGN_OR_RETURN(worth.used, json.Number("used"));
  }
  ASSIGN_OR_RETURN(worth.of, json.Number("of"));
  ASSIGN_OR_RETURN(worth.one_s, json.Number("one_s"));
  ASSIGN_OR_RETURN(worth.least, json.Number("least"));
  ASSIGN_OR_RETURN(worth.least_s, json.Number("least_s"));
  ASSIGN_OR_RETURN(worth.all_s, json.Number("all_s"));
  ASSIGN_OR_RETURN(worth.proven, json.Bool("proven"));
  return worth;
}

absl::StatusOr<UnusedServer> UnusedFromJson(const JsonField& json) {
  UnusedServer unused;
  ASSIGN_OR_RETURN(unused.server, json.String("server"));
  ASSIGN_OR_RETURN(unused.possible, json.Bool("possible"));
  ASSIGN_OR_RETURN(unused.proven, json.Bool("proven"));
  ASSIGN_OR_RETURN(unused.extra_s, json.Number("extra_s"));
  ASSIGN_OR_RETURN(unused.text, json.String("text"));
  return unused;
}

}  // namespace

Json ExplanationToJson(const Explanation& explanation) {
  Json limits = Json::array(), unused = Json::array();
  for (const LimitWorth& worth : explanation.limits) {
    limits.push_back({{"limit", worth.limit},
                      {"unit", worth.unit},
                      {"used", worth.used.has_value() ? Json(*worth.used) : Json(nullptr)},
                      {"of", worth.of},
                      {"one_s", worth.one_s},
                      {"least", worth.least},
                      {"least_s", worth.least_s},
                      {"all_s", worth.all_s},
                      {"proven", worth.proven}});
  }
  for (const UnusedServer& server : explanation.unused) {
    unused.push_back({{"server", server.server},
                      {"possible", server.possible},
                      {"proven", server.proven},
                      {"extra_s", server.extra_s},
                      {"text", server.text}});
  }
  return {{"limits", std::move(limits)}, {"unused", std::move(unused)}, {"seconds", explanation.seconds}};
}

absl::StatusOr<Explanation> ExplanationFromJson(const JsonField& json) {
  Explanation explanation;
  ASSIGN_OR_RETURN(const auto limits, json.Items("limits"));
  for (const JsonField& item : limits) {
    ASSIGN_OR_RETURN(LimitWorth worth, WorthFromJson(item));
    explanation.limits.push_back(std::move(worth));
  }
  ASSIGN_OR_RETURN(const auto unused, json.Items("unused"));
  for (const JsonField& item : unused) {
    ASSIGN_OR_RETURN(UnusedServer server, UnusedFromJson(item));
    explanation.unused.push_back(std::move(server));
  }
  ASSIGN_OR_RETURN(explanation.seconds, json.Number("seconds"));
  return explanation;
}

}  // namespace dilemma
