#include "fleet/joint_highs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/clock.h"
#include "base/status.h"
#include "fleet/incumbent.h"
#include "fleet/limits.h"
#include "planner/flow_model.h"
#include "planner/highs_linear.h"

namespace dilemma {
namespace {

constexpr int kTries = 3;
constexpr double kTypicalObjective = 1000;

class JointModel {
 public:
  JointModel(const Fleet& fleet, const std::vector<Problem>& problems, double margin) : fleet_(fleet) {
    double typical = 0;
    for (size_t k = 0; k < problems.size(); ++k) {
      flows_.emplace_back(problems[k], margin);
      complete_ = complete_ && flows_.back().complete();
      typical += fleet.models[k]->weight() * flows_.back().ToSeconds(kTypicalObjective);
    }
    scale_ = typical > 0 ? kTypicalObjective / typical : 1;
    if (!complete_) return;
    for (size_t k = 0; k < flows_.size(); ++k) Append(k);
    for (int n = 0; n < fleet.servers(); ++n) AddShared(problems, n, margin);
  }
  bool complete() const { return complete_; }
  const LinearModel& model() const { return model_; }
  double ToSeconds(double objective) const { return objective / scale_; }

  std::optional<JointAssignment> Decode(const std::vector<double>& values) const {
    JointAssignment plan;
    for (size_t k = 0; k < flows_.size(); ++k) {
      const auto begin = values.begin() + first_[k];
      const auto assignment = flows_[k].Decode({begin, begin + flows_[k].model().columns()});
      if (!assignment.has_value()) return std::nullopt;
      plan.push_back(*assignment);
    }
    return plan;
  }
  std::vector<double> Encode(const JointAssignment& plan) const {
    std::vector<double> values;
    for (size_t k = 0; k < flows_.size(); ++k) {
      const std::vector<double> part = flows_[k].Encode(plan[k]);
      values.insert(values.end(), part.begin(), part.end());
    }
    return values;
  }

 private:
  void Append(size_t k) {
    const LinearModel& m = flows_[k].model();
    const double scale = fleet_.models[k]->weight() * flows_[k].ToSeconds(1) * scale_;
    first_.push_back(model_.columns());
    for (size_t c = 0; c < m.cost.size(); ++c)
      model_.AddColumn(m.cost[c] * scale, m.lower[c], m.upper[c], m.integer[c] != 0);
    for (size_t r = 0; r < m.row_lower.size(); ++r) {
      FlowModel::Row row;
      for (size_t e = m.row_start[r]; e < m.row_start[r + 1]; ++e)
        row.emplace_back(first_[k] + m.entry_column[e], m.entry_value[e]);
      model_.AddRow(m.row_lower[r], m.row_upper[r], row);
    }
  }

  // One row: what all models take of server n is at most the limit.
  template <typename OfUnit, typename OfStage>
  void AddRow(const std::vector<Problem>& problems, int n, double limit, double margin, const OfUnit& of_unit,
              const OfStage& of_stage) {
    const double unit = limit > 0 ? 1 / limit : 1;
    FlowModel::Row sum;
    for (size_t k = 0; k < problems.size(); ++k) {
      const Problem& p = problems[k];
      std::vector<double> values(p.weight_bytes.size());
      for (int u = 0; u < p.units; ++u)
        for (int q = 0; q < p.types; ++q) values[p.Uq(u, q)] = p.Possible(u, n, q) ? of_unit(p, u, q) : 0;
      for (const auto& [column, value] : flows_[k].Use(n, values, of_stage(p)))
        sum.emplace_back(first_[k] + column, value * unit);
    }
    model_.AddRow(-kNever, limit * unit * (1 - margin), sum);
  }

  void AddShared(const std::vector<Problem>& problems, int n, double margin) {
    const auto i = static_cast<size_t>(n);
    if (fleet_.memory_bytes[i] != kNoLimit)
      AddRow(
          problems, n, static_cast<double>(fleet_.memory_bytes[i]), margin,
          [n](const Problem& p, int u, int q) { return static_cast<double>(p.Bytes(u, n, q)); },
          [i](const Problem& p) { return static_cast<double>(p.stage_bytes[i]); });
    if (fleet_.disk_bytes[i] != kNoLimit)
      AddRow(
          problems, n, static_cast<double>(fleet_.disk_bytes[i]), margin,
          [](const Problem& p, int u, int q) { return static_cast<double>(p.weight_bytes[p.Uq(u, q)]); },
          [](const Problem&) { return 0.0; });
    if (std::isfinite(fleet_.busy_limit_s[i]))
      AddRow(
          problems, n, fleet_.busy_limit_s[i], margin,
          [n](const Problem& p, int u, int q) { return p.compute.decode_s[p.At(u, n, q)]; },
          [i](const Problem& p) { return p.stage.decode_s[i]; });
  }

  const Fleet& fleet_;
  std::vector<FlowModel> flows_;
  std::vector<int> first_;  // [k] its first column
  LinearModel model_;
  double scale_ = 1;
  bool complete_ = true;
};

}  // namespace

FleetResult SolveFleetHighs(const Fleet& fleet, const SolveOptions& options, const JointAssignment& start) {
  const Stopwatch watch;
  FleetIncumbent incumbent(fleet, options, "highs");
  if (!start.empty()) incumbent.Take(start);
  std::vector<int> all(fleet.server_names.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<Problem> problems;
  for (const auto& model : fleet.models) {
    problems.push_back(model->Over(all));
    PutRoom(Room::Of(fleet), all, problems.back());
  }
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const JointModel joint(fleet, problems, attempt * attempt * 2 * kHighsTolerance);
    if (!joint.complete()) return incumbent.Infeasible("a unit has no server that may hold it");
    LinearOptions linear;
    linear.time_limit_s = std::max(0.01, options.time_limit_s - watch.Seconds());
    linear.gap = options.gap;
    linear.seed = options.seed;
    linear.stop = options.stop;
    linear.progress = [&](double, double bound) {
      if (attempt == 0 && std::isfinite(bound)) incumbent.Raise(joint.ToSeconds(bound));
    };
    if (incumbent.HasPlan()) linear.start = joint.Encode(incumbent.plan());
    const LinearResult solved = SolveLinear(joint.model(), linear);
    // Tighter limits than the fleet's: neither bound nor infeasibility would hold.
    if (attempt == 0 && solved.infeasible)
      return incumbent.Infeasible("HiGHS proved that no joint plan keeps every limit");
    if (attempt == 0 && std::isfinite(solved.bound)) incumbent.Raise(joint.ToSeconds(solved.bound));
    if (!solved.reason.empty()) incumbent.SetReason(solved.reason);
    if (solved.values.empty()) break;
    const auto plan = joint.Decode(solved.values);
    if (plan.has_value() && EvaluateFleet(fleet, *plan).ok()) {
      incumbent.Take(*plan);
      break;
    }
  }
  return incumbent.Finish();
}

}  // namespace dilemma
