// From a few runs to the model's end, the KL of every group of a layer's matrices at every type: each group
// is run alone at a middle type and at the smallest, and all together at a fine one, where what the layer
// loses is shared out by what its groups would lose were KL proportional to their errors. That holds while
// errors are small: at the smallest type it put single groups off by up to two times. All groups together at
// their smallest types lose less than the sum of what each loses alone (up to 36 % less in SmolLM2-135M, in
// its early layers), and what they share is taken off the sums of mixes. Inside the room only.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "model/tensor_type.h"

namespace dilemma {

// Places in a menu of the types that are run: the nearest to 4.5 bits and to 5.5, and the smallest where it
// has fewer than 4 (else as the middle one).
struct Rungs {
  size_t middle = 0, fine = 0, coarse = 0;
  static Rungs Of(const std::vector<TensorType>& menu);
  bool HasFine() const { return fine != middle; }
  bool HasCoarse() const { return coarse != middle; }
};

struct GroupErrors {
  std::vector<TensorType> menu;
  std::vector<double> errors;  // at each: tr(dW H dW^T)
  Rungs rungs;
  double middle_kl = 0, coarse_kl = 0;  // of this group alone
};

// KL of each group at each type of its menu, in nats. `fine_kl`: of the layer with all groups at their fine
// types.
std::vector<std::vector<double>> LayerLosses(const std::vector<GroupErrors>& groups, double fine_kl);

// What groups lose together, from what each loses alone: their sum S less what they share, S / (1 + overlap
// P / S) with P the sum of all products of two of them. Products are of second order, so small losses simply
// add up; it is never less than the largest. `overlap` in 1/nats, at least 0.
double Together(std::span<const double> alone, double overlap);

// The overlap with which groups that lose `alone` lose `together`; 0 where that is no less than their sum.
double OverlapOf(std::span<const double> alone, double together);

}  // namespace dilemma
