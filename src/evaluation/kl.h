// How far a student's next-token distributions are from its teacher's: KL(teacher || student) at every
// position of windows of text, and what goes with it (how often both prefer the same token, perplexity).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/estimate.h"
#include "evaluation/language_model.h"

namespace dilemma {

// Passes over one window by one model, done and all; returning false cancels (kCancelled).
using EvaluationProgress = std::function<bool(int64_t done, int64_t total)>;

// One value a window each: the window's mean.
struct WindowScores {
  std::vector<double> nll;   // of the text's next token, nats, over all positions but the last
  std::vector<double> kl;    // nats, over all positions; empty for the teacher
  std::vector<double> same;  // share of positions where teacher and student prefer the same token
};

// exp of the mean negative log-likelihood; windows are the bootstrap's samples.
Estimate Perplexity(const WindowScores& scores);

// Perplexity alone. All windows have at least two tokens and fit into the model's context.
absl::StatusOr<WindowScores> ScoreText(LanguageModel& model, std::span<const std::vector<int32_t>> windows,
                                       const EvaluationProgress& progress = nullptr);

// The teacher's scores first, then each student's. One window of the teacher's logits is held at a time
// (tokens x n_vocab x 4 bytes). kInvalidArgument where vocabularies differ, kInternal where a model's logits
// are not finite; the message names the student by its place, from 1.
absl::StatusOr<std::vector<WindowScores>> CompareModels(LanguageModel& teacher,
                                                        std::span<LanguageModel* const> students,
                                                        std::span<const std::vector<int32_t>> windows,
                                                        const EvaluationProgress& progress = nullptr);

}  // namespace dilemma
