// Prices on the memory of many servers by an incremental subgradient method: a step after each model (Nedic
// and Bertsekas 2001), on the wide relaxation of every model.
#pragma once

#include <functional>
#include <vector>

#include "fleet/limits.h"
#include "fleet/wide_model.h"

namespace dilemma {

class WidePrices {
 public:
  // Both outlive the object. `stop` ends the work early with what is proven so far; `raised` gets each better
  // bound.
  WidePrices(const Fleet& fleet, std::vector<WideModel>& models, std::function<bool()> stop,
             std::function<void(double)> raised);

  // The bound without prices of memory, every model alone. False, here and below, where a model has no path
  // at all: proven that no joint plan exists; failed() is that model.
  bool Begin();
  // After Begin: `passes` over all models.
  bool Run(int passes);
  double bound() const { return bound_; }
  const FleetPrices& prices() const { return best_; }
  double mu(int model) const { return best_mu_[static_cast<size_t>(model)]; }
  int failed() const { return failed_; }

 private:
  double MuAlone(WideModel& model, double mu) const;
  bool Step(int model, double size, double turn);
  // The Lagrangian at these prices of whole servers.
  bool Bound(const std::vector<double>& price);
  std::vector<double> OfBytes(const std::vector<double>& price) const;

  std::vector<WideModel>& models_;
  const std::function<bool()> stop_;
  const std::function<void(double)> raised_;
  std::vector<double> memory_;     // [n] limits in bytes; 0: none
  std::vector<double> price_;      // [n] of the whole server
  std::vector<double> mu_, loss_;  // [k] price of loss; mean loss of the paths, in budgets
  double scale_ = 0;               // mean cost of a model alone
  FleetPrices best_;
  std::vector<double> best_mu_;
  double bound_ = -kNever;
  int failed_ = -1;
};

}  // namespace dilemma
