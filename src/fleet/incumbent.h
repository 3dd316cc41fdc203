// The best joint plan and bound so far, and the result made of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/clock.h"
#include "fleet/fleet_solver.h"

namespace dilemma {

class FleetIncumbent {
 public:
  // Both outlive the object.
  FleetIncumbent(const Fleet& fleet, const SolveOptions& options, std::string method);

  // Whether the plan keeps every limit and is better than the best so far, which it then becomes.
  bool Take(const JointAssignment& plan);
  void Raise(double bound_s);  // a proven lower bound
  // Only plans that cost less are of use.
  void Beat(double objective_s) { result_.objective_s = std::min(result_.objective_s, objective_s); }
  void SetReason(std::string reason) { result_.reason = std::move(reason); }

  bool HasPlan() const { return result_.HasPlan(); }
  const JointAssignment& plan() const { return result_.plan; }
  double objective() const { return result_.objective_s; }
  double bound() const { return result_.bound_s; }
  bool Proven() const;
  bool Stopped();  // the time limit or the caller
  double SecondsLeft() const { return options_.time_limit_s - watch_.Seconds(); }

  FleetResult Infeasible(std::string reason);
  FleetResult Finish();

 private:
  void Report() const;
  const Fleet& fleet_;
  const SolveOptions& options_;
  const Stopwatch watch_;
  FleetResult result_;
  bool stopped_ = false;
};

}  // namespace dilemma
