#include "budget/plan_meter.h"

#include <numeric>
#include <optional>

#include "base/file.h"
#include "base/status.h"
#include "evaluation/gguf_model.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class GgufMeter : public PlanMeter {
 public:
  GgufMeter(const ModelInfo& model, std::vector<TokenWindow> windows, const PlanMeterOptions& options,
            TempDir dir)
      : model_(model), windows_(std::move(windows)), options_(options), dir_(std::move(dir)) {
    for (const TokenWindow& window : windows_)
      longest_ = std::max(longest_, static_cast<int64_t>(window.size()));
  }

  absl::Status LoadTeacher() {
    ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
    const std::vector<TypeMix> types(model_.units.size(), wide);
    const auto path = dir_.path() / "teacher.gguf";
    RETURN_IF_ERROR(WriteWhole(model_, types, path).status());
    ASSIGN_OR_RETURN(teacher_, Load(path));
    return absl::OkStatus();
  }

  absl::StatusOr<double> TeacherLoss(const EvaluationProgress& progress) override {
    if (!teacher_loss_.has_value()) {
      ASSIGN_OR_RETURN(const WindowScores scores, ScoreText(*teacher_, windows_, progress));
      teacher_loss_ = Mean(scores.nll);
    }
    return *teacher_loss_;
  }

  absl::StatusOr<MeasuredLoss> Measure(std::span<const TypeMix> types,
                                       const EvaluationProgress& progress) override {
    const auto path = dir_.path() / "student.gguf";
    if (options_.write) {
      RETURN_IF_ERROR(options_.write(types, path));
    } else {
      RETURN_IF_ERROR(WriteWhole(model_, types, path).status());
    }
    ASSIGN_OR_RETURN(const auto student, Load(path));
    LanguageModel* const students[] = {student.get()};
    ASSIGN_OR_RETURN(const auto scores, CompareModels(*teacher_, students, windows_, progress));
    teacher_loss_ = Mean(scores[0].nll);
    return MeasuredLoss{MeanEstimate(scores[1].kl), DifferenceEstimate(scores[1].nll, scores[0].nll)};
  }

 private:
  absl::StatusOr<std::unique_ptr<LanguageModel>> Load(const std::filesystem::path& path) const {
    GgufModelOptions options;
    options.context = longest_;
    options.threads = options_.threads;
    return LoadGgufModel(path, options);
  }

  const ModelInfo model_;
  const std::vector<TokenWindow> windows_;
  const PlanMeterOptions options_;
  const TempDir dir_;
  int64_t longest_ = 0;
  std::unique_ptr<LanguageModel> teacher_;
  std::optional<double> teacher_loss_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PlanMeter>> PlanMeter::Create(const ModelInfo& model,
                                                             std::vector<TokenWindow> windows,
                                                             const PlanMeterOptions& options) {
  if (windows.empty()) return InvalidArgument("no text to measure on");
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-budget"));
  auto meter = std::make_unique<GgufMeter>(model, std::move(windows), options, std::move(dir));
  RETURN_IF_ERROR(meter->LoadTeacher());
  return meter;
}

}  // namespace dilemma
