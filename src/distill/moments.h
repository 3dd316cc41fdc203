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
  Matrix gap;       // E[(x - y) y^T]: what the teacher's inputs have beyond the student's
  Matrix residual;  // E[d y^T], n_embd x columns; empty where the layer does not add to the residual stream
  double rows = 0;

  void Add(std::span<const float> x, std::span<const float> y, std::span<const float> d, int64_t columns,
           int64_t n_embd);
  void AddInput(std::span<const float> y, int64_t columns);  // `student` alone
  void Average();                                            // after the last Add: sums become averages
  void Mix(const Moments& other);                            // of averages, weighted by rows
};

}  // namespace dilemma
