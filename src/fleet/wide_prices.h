// Prices on the memory of many servers by an incremental subgradient method: a step after each model (Nedic
// and Bertsekas 2001), on the wide relaxation of every model.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fleet/limits.h"
#include "fleet/wide_model.h"

namespace dilemma {

class WidePrices {
 public:
  // Both outlive the object. `stop` ends the work early with what is proven so far.
  WidePrices(const Fleet& fleet, std::vector<WideModel>& models, std::function<bool()> stop);

  // `passes` over all models; `raised` gets each better bound. False where a model has no path at all: proven
  // that no joint plan exists; failed() is that model.
  bool Run(int passes, const std::function<void(double)>& raised);
  double bound() const { return bound_; }
  const FleetPrices& prices() const { return best_; }
  double mu(int model) const { return best_mu_[static_cast<size_t>(model)]; }
  int failed() const { return failed_; }

 private:
  bool Step(int model, double size, double turn);
  // The servers of the best paths of the last Solve: steps look at these alone.
  void Pick(int model);
  // The Lagrangian at the prices; mu of each model is improved by `turns` more evaluations.
  bool Bound(const std::vector<double>& memory, int turns, const std::function<void(double)>& raised);

  const Fleet& fleet_;
  std::vector<WideModel>& models_;
  const std::function<bool()> stop_;
  std::vector<double> memory_;  // [n] limits in bytes
  std::vector<double> price_, mean_;
  std::vector<double> mu_, best_mu_;
  std::vector<std::vector<int>> picked_;  // [k]; empty: all servers
  double scale_ = 0;                      // middling cost of a model
  FleetPrices best_;
  double bound_ = 0;
  int failed_ = -1;
};

}  // namespace dilemma
