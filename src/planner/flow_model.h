// The tight flow formulation of docs/formulation.md: binary x[u,n,q], continuous flow y[u,n,m] for the hop
// after unit u, r[n,m] for the ring, z[n] for servers in use, T for the busiest part. No product terms.
#pragma once

#include <optional>
#include <vector>

#include "planner/linear_model.h"
#include "planner/problem.h"

namespace dilemma {

class FlowModel {
 public:
  // Rows of limits are scaled to 1 and lowered by `margin` (relative), the objective is scaled so that costs
  // are of the order of 1000.
  FlowModel(const Problem& problem, double margin);

  const LinearModel& model() const { return model_; }
  double ToSeconds(double objective) const { return objective / scale_; }
  // False where some unit has no possible placement: there is no model to solve.
  bool complete() const { return complete_; }
  // The assignment that column values stand for; nullopt where a unit has no x near 1.
  std::optional<Assignment> Decode(const std::vector<double>& values) const;
  // Column values of an assignment that is feasible.
  std::vector<double> Encode(const Assignment& assignment) const;
  // Entries of a row: what the plan takes of server n, where unit u at type q takes of_unit[Uq(u, q)] and
  // each stage that is opened there of_stage.
  using Row = std::vector<std::pair<int, double>>;
  Row Use(int n, const std::vector<double>& of_unit, double of_stage) const;

 private:
  void AddPlacements();
  void AddFlow();
  void AddRing();
  void AddLimits(double margin);
  void AddBudget(double budget, double margin, const std::vector<double>& of_unit);
  void AddServerLimit(int n, double limit, double margin, const std::vector<double>& of_unit,
                      double of_stage);
  void AddServerCount();
  void AddBusiest();
  Row Placed(int u, int n, double value) const;  // sum over q of x[u,n,q]
  Row Starts(int n, double value) const;         // blocks that begin on n
  static void Append(Row& row, const Row& more) { row.insert(row.end(), more.begin(), more.end()); }
  bool latency() const { return problem_.objective == Objective::kLatency; }

  const Problem& problem_;
  LinearModel model_;
  double scale_ = 1;
  bool complete_ = true;
  std::vector<int> x_;  // [u][n][q] column, -1 where impossible
  std::vector<int> y_;  // [u][n][m] column for u < units-1
  std::vector<int> r_;  // [n][m]; empty without a ring
  std::vector<int> z_;  // [n]; empty without a limit on servers
  int t_ = -1;
};

}  // namespace dilemma
