#include "plan/quality_check.h"

#include "base/status.h"

namespace dilemma {
namespace {

Json MeanToJson(const MeasuredMean& mean) {
  return {{"mean", mean.mean}, {"low", mean.low}, {"high", mean.high}};
}

absl::StatusOr<MeasuredMean> MeanFromJson(const JsonField& json, std::string_view key) {
  ASSIGN_OR_RETURN(const JsonField field, json.At(key));
  MeasuredMean mean;
  ASSIGN_OR_RETURN(mean.mean, field.Number("mean"));
  ASSIGN_OR_RETURN(mean.low, field.Number("low"));
  ASSIGN_OR_RETURN(mean.high, field.Number("high"));
  return mean;
}

absl::StatusOr<CheckRound> RoundFromJson(const JsonField& json) {
  CheckRound round;
  ASSIGN_OR_RETURN(round.how, json.String("how"));
  ASSIGN_OR_RETURN(round.budget, json.Number("budget"));
  ASSIGN_OR_RETURN(round.estimate, json.Number("estimate"));
  ASSIGN_OR_RETURN(round.measured, json.Number("measured"));
  ASSIGN_OR_RETURN(round.request_s, json.Number("request_s"));
  ASSIGN_OR_RETURN(round.kept, json.Bool("kept"));
  return round;
}

}  // namespace

Json QualityCheckToJson(const QualityCheck& check) {
  Json rounds = Json::array();
  for (const CheckRound& round : check.rounds) {
    rounds.push_back({{"how", round.how},
                      {"budget", round.budget},
                      {"estimate", round.estimate},
                      {"measured", round.measured},
                      {"request_s", round.request_s},
                      {"kept", round.kept}});
  }
  return {{"text", check.text},
          {"unit", check.unit},
          {"target", check.target},
          {"kl", MeanToJson(check.kl)},
          {"teacher_loss", check.teacher_loss},
          {"loss_increase", MeanToJson(check.loss_increase)},
          {"rounds", std::move(rounds)}};
}

absl::StatusOr<QualityCheck> QualityCheckFromJson(const JsonField& json) {
  QualityCheck check;
  ASSIGN_OR_RETURN(check.text, json.String("text"));
  ASSIGN_OR_RETURN(check.unit, json.String("unit"));
  ASSIGN_OR_RETURN(check.target, json.Number("target"));
  ASSIGN_OR_RETURN(check.kl, MeanFromJson(json, "kl"));
  ASSIGN_OR_RETURN(check.teacher_loss, json.Number("teacher_loss"));
  ASSIGN_OR_RETURN(check.loss_increase, MeanFromJson(json, "loss_increase"));
  ASSIGN_OR_RETURN(const auto rounds, json.Items("rounds"));
  for (const JsonField& item : rounds) {
    ASSIGN_OR_RETURN(CheckRound round, RoundFromJson(item));
    check.rounds.push_back(std::move(round));
  }
  return check;
}

}  // namespace dilemma
