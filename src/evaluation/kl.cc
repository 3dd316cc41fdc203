#include "evaluation/kl.h"

#include <algorithm>
#include <cmath>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "base/status.h"
#include "evaluation/logits.h"

namespace dilemma {
namespace {

using Window = std::vector<int32_t>;

double Mean(const std::vector<double>& values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i];
  return sum / static_cast<double>(count);
}

// What one model makes of one window, position by position.
struct PositionScores {
  explicit PositionScores(size_t tokens) : nll(tokens), kl(tokens), same(tokens) {}
  std::vector<double> nll, kl, same;
};

class Comparison {
 public:
  Comparison(std::span<const Window> windows, int64_t models, const EvaluationProgress& progress)
      : progress_(progress), total_(models * static_cast<int64_t>(windows.size())) {}

  // The teacher's pass: its logits are kept in `teacher_`, where students follow.
  absl::Status Teach(LanguageModel& model, const Window& window, bool keep, WindowScores& scores) {
    const auto vocab = static_cast<size_t>(model.n_vocab());
    if (keep) teacher_.resize(window.size() * vocab);
    return Pass(model, window, scores, [&](size_t row, std::span<const float> logits, PositionScores&) {
      if (keep)
        std::copy(logits.begin(), logits.end(), teacher_.begin() + static_cast<std::ptrdiff_t>(row * vocab));
    });
  }

  absl::Status Follow(LanguageModel& model, const Window& window, WindowScores& scores) {
    const auto vocab = static_cast<size_t>(model.n_vocab());
    return Pass(model, window, scores, [&](size_t row, std::span<const float> logits, PositionScores& at) {
      const auto taught = std::span<const float>(teacher_).subspan(row * vocab, vocab);
      at.kl[row] = KlDivergence(taught, logits);
      at.same[row] = Top(taught) == Top(logits) ? 1 : 0;
    });
  }

 private:
  template <typename OnRow>
  absl::Status Pass(LanguageModel& model, const Window& window, WindowScores& scores, const OnRow& on_row) {
    PositionScores at(window.size());
    const auto vocab = static_cast<size_t>(model.n_vocab());
    RETURN_IF_ERROR(
        model.Logits(window, [&](int64_t first_row, std::span<const float> logits) -> absl::Status {
          if (Interrupted()) return InterruptedStatus();
          ParallelFor(static_cast<int64_t>(logits.size() / vocab), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
              const auto row = static_cast<size_t>(first_row + i);
              const auto values = logits.subspan(static_cast<size_t>(i) * vocab, vocab);
              on_row(row, values, at);
              if (row + 1 < window.size()) at.nll[row] = NegativeLogLikelihood(values, window[row + 1]);
            }
          });
          return absl::OkStatus();
        }));
    scores.nll.push_back(Mean(at.nll, window.size() - 1));
    scores.kl.push_back(Mean(at.kl, window.size()));
    scores.same.push_back(Mean(at.same, window.size()));
    if (!std::isfinite(scores.nll.back()) || !std::isfinite(scores.kl.back())) {
      return Internal("the model's logits are not finite numbers; its file may be damaged");
    }
    if (progress_ && !progress_(++done_, total_)) return InterruptedStatus();
    return absl::OkStatus();
  }

  const EvaluationProgress& progress_;
  int64_t done_ = 0, total_ = 0;
  std::vector<float> teacher_;
};

absl::Status CheckWindows(const LanguageModel& model, std::span<const Window> windows) {
  if (windows.empty()) return InvalidArgument("no text to evaluate on");
  for (const Window& window : windows) {
    if (window.size() < 2 || static_cast<int64_t>(window.size()) > model.context()) {
      return InvalidArgument("a window of {} tokens; 2 to {} fit", window.size(), model.context());
    }
    for (const int32_t token : window) {
      if (token < 0 || token >= model.n_vocab()) {
        return InvalidArgument("the text was tokenized for another model: token {} of {}", token,
                               model.n_vocab());
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

Estimate Perplexity(const WindowScores& scores) {
  const Estimate nll = MeanEstimate(scores.nll);
  return {std::exp(nll.mean), std::exp(nll.low), std::exp(nll.high)};
}

absl::StatusOr<WindowScores> ScoreText(LanguageModel& model, std::span<const Window> windows,
                                       const EvaluationProgress& progress) {
  ASSIGN_OR_RETURN(std::vector<WindowScores> scores, CompareModels(model, {}, windows, progress));
  return std::move(scores[0]);
}

absl::StatusOr<std::vector<WindowScores>> CompareModels(LanguageModel& teacher,
                                                        std::span<LanguageModel* const> students,
                                                        std::span<const Window> windows,
                                                        const EvaluationProgress& progress) {
  RETURN_IF_ERROR(CheckWindows(teacher, windows));
  for (size_t s = 0; s < students.size(); ++s) {
    if (students[s]->n_vocab() != teacher.n_vocab()) {
      return InvalidArgument(
          "student {} has {} tokens in its vocabulary and the teacher {}: they cannot be compared", s + 1,
          students[s]->n_vocab(), teacher.n_vocab());
    }
    RETURN_IF_ERROR(Annotate(CheckWindows(*students[s], windows), fmt::format("student {}", s + 1)));
  }
  std::vector<WindowScores> scores(students.size() + 1);
  Comparison comparison(windows, static_cast<int64_t>(scores.size()), progress);
  for (const Window& window : windows) {
    RETURN_IF_ERROR(Annotate(comparison.Teach(teacher, window, !students.empty(), scores[0]),
                             students.empty() ? "model" : "teacher"));
    for (size_t s = 0; s < students.size(); ++s) {
      RETURN_IF_ERROR(
          Annotate(comparison.Follow(*students[s], window, scores[s + 1]), fmt::format("student {}", s + 1)));
    }
  }
  scores[0].kl.clear();
  scores[0].same.clear();
  return scores;
}

}  // namespace dilemma
