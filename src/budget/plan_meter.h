// The true loss of a choice of types: the model is really quantized to them and run on text beside its
// teacher, the source widened to F16.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/estimate.h"
#include "evaluation/kl.h"
#include "evaluation/text.h"
#include "model/model.h"

namespace dilemma {

struct MeasuredLoss {
  Estimate kl;     // KL(teacher || student), nats a token, mean over all positions
  Estimate added;  // negative log-likelihood of the text over the teacher's, nats a token; paired
};

// Writes the model at these types (one mix a unit) to a GGUF file.
using WriteStudent =
    std::function<absl::Status(std::span<const TypeMix> types, const std::filesystem::path& path)>;

struct PlanMeterOptions {
  int threads = 0;     // 0: all cores
  WriteStudent write;  // empty: as WriteWhole does, which is what `quantize` ships
};

// One thread at a time. Holds the teacher's file in a temporary folder.
class PlanMeter {
 public:
  // `windows`: text that the model was not calibrated on; each of at least two tokens.
  static absl::StatusOr<std::unique_ptr<PlanMeter>> Create(const ModelInfo& model,
                                                           std::vector<TokenWindow> windows,
                                                           const PlanMeterOptions& options);
  virtual ~PlanMeter() = default;

  // Mean negative log-likelihood of the text's next tokens under the teacher, nats.
  virtual absl::StatusOr<double> TeacherLoss(const EvaluationProgress& progress = nullptr) = 0;
  virtual absl::StatusOr<MeasuredLoss> Measure(std::span<const TypeMix> types,
                                               const EvaluationProgress& progress = nullptr) = 0;
};

}  // namespace dilemma
