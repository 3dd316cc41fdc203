// What whole models lose beside the sum of what their units lose alone. Errors of layers add up to more than
// their sum, and the engine rounds activations too; both are much the same share at every size, so one factor
// on a table's losses makes sums of them foretell whole models.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quality/quality.h"
#include "quantizer/importance.h"

namespace dilemma {

struct WholeModelOptions {
  std::vector<double> bits = {5};  // a weight, of the models measured: amid what plans have
  int rows = 64;                   // positions of a window whose KL is taken, spread evenly
  int threads = 1;
};

struct WholeModel {
  int64_t bytes = 0;    // of all units
  double estimate = 0;  // sum of the units' losses
  double kl = 0;        // measured: quantized bytes in the engine, beside the teacher as F16
};

// The best choices of the table at each size (most for least: loss plus price of the bytes), rounded by
// `importance`, run over the text. `table`: losses in nats. Sizes outside the menu's reach become its ends;
// models without any loss are left out.
absl::StatusOr<std::vector<WholeModel>> MeasureWholeModels(const ModelInfo& model, const QualityTable& table,
                                                           const Importance& importance,
                                                           std::span<const std::vector<int32_t>> windows,
                                                           const WholeModelOptions& options);

// kl over estimate, the geometric mean; 1 where nothing was measured.
double FactorOf(std::span<const WholeModel> measured);

// Every loss of the table times `factor`.
void ScaleLosses(QualityTable& table, double factor);

}  // namespace dilemma
