// Second moments of a linear layer's inputs: all that layer-wise distillation needs to know of the text.
// Inside the room only.
#pragma once

#include <span>

#include "distill/matrix.h"

namespace dilemma {

// Averages over rows, X being the teacher's inputs, Y the student's, D what the student's residual stream
// lacks (teacher less student).
struct Moments {
  Matrix student;   // E[y y^T], columns x columns; before Average only its upper half
  Matrix cross;     // E[x y^T]
  Matrix residual;  // E[d y^T], n_embd x columns; empty where the layer does not add to the residual stream
  double rows = 0;

  void Add(std::span<const float> x, std::span<const float> y, std::span<const float> d, int64_t columns,
           int64_t n_embd);
  void AddInput(std::span<const float> y, int64_t columns);  // `student` alone
  void Merge(const Moments& other);
  void Average();  // after the last Add and Merge: sums become averages
};

}  // namespace dilemma
