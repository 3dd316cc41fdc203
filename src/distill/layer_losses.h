// From a few runs to the model's end, the KL of every group of a layer's matrices at every type: each group
// is run at two types of the menu's middle, and all together at the smallest, where what a layer loses is
// shared out by what its groups would lose were KL proportional to their errors. Inside the room only.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "model/tensor_type.h"

namespace dilemma {

// Places in a menu of the types that are run: the nearest to 4.5 bits and to 5.5, and the smallest where it
// has fewer than 4 (else as the middle one).
struct Rungs {
  size_t middle = 0, fine = 0, coarse = 0;
  static Rungs Of(const std::vector<TensorType>& menu);
};

struct GroupErrors {
  std::vector<TensorType> menu;
  std::vector<double> errors;  // at each: tr(dW H dW^T)
  Rungs rungs;
  double fine_kl = 0, middle_kl = 0;  // of this group alone
};

// KL of each group at each type of its menu, in nats. `coarse_kl`: of the layer with all groups at their
// coarse types.
std::vector<std::vector<double>> LayerLosses(const std::vector<GroupErrors>& groups, double coarse_kl);

}  // namespace dilemma
