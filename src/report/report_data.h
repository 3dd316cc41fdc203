// What the report of a plan shows, gathered from the files that the other commands write, as one JSON
// document
// ("dilemma-report", docs/formats.md). Nothing is computed here that would need a solver or a model's
// weights.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "cluster/cluster.h"
#include "cluster/profile.h"
#include "model/model.h"
#include "plan/plan.h"
#include "quality/quality.h"
#include "report/measured.h"

namespace dilemma {

// One solved problem on the curve of delay against quality, or another method's plan beside it.
struct TradeOffPoint {
  std::string name = {};    // of the method, where it is not a point of the curve
  std::string status = {};  // "optimal" (proven), "feasible", "infeasible" (proven), "unknown"
  double budget = 0;        // of loss, that the problem was solved with; infinite: none
  double loss = 0;          // the rest is 0 where there is no plan
  double request_s = 0, decode_s = 0, prefill_s = 0;
  double bound_s = 0, gap = 0;  // no plan within the budget takes less than bound_s
  int servers = 0;              // that hold a stage
};

// Delay against quality on one cluster. Loss is in the quality table's measure, delay that of a whole
// request.
struct TradeOff {
  std::vector<TradeOffPoint> curve;   // by ascending budget
  std::vector<TradeOffPoint> others;  // what people do today, on the same cost model
  TradeOffPoint here;                 // the plan of the report
};

// All but the plan may be absent (nullptr): the report then shows less and says what it would need.
struct ReportInputs {
  const Plan* plan = nullptr;
  const ModelInfo* model = nullptr;
  const Cluster* cluster = nullptr;
  const Profile* profile = nullptr;
  const QualityTable* quality = nullptr;
  const MeasuredRun* measured = nullptr;
  const TradeOff* trade_off = nullptr;
  std::string no_trade_off = {};  // why there is none, as a sentence
};

// {"curve": [...], "others": [...], "here": {...}} (docs/formats.md).
Json TradeOffToJson(const TradeOff& trade_off);

// kInvalidArgument where the inputs do not belong together: a server of the plan that the cluster or profile
// does not have, another number of units, a run over other servers.
absl::StatusOr<Json> PlanReportData(const ReportInputs& inputs);

}  // namespace dilemma
