// The teacher from some unit to its end: what a change further up does to the model's output. Inside the room
// only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "model/model.h"

namespace dilemma {

// A text's hidden states on their way into a Tail, and what came of it.
struct TailJob {
  size_t window = 0;  // whose reference it is compared with
  std::vector<float> hidden;
  double kl = 0;
};

class Tail {
 public:
  // Units from `first_unit` on, as F16, written to `path`. As many stages as fit beside each other into 4
  // GiB, one a thread at most; the threads are shared out among them. KL is taken at `outputs` late rows of a
  // text.
  static absl::StatusOr<Tail> Load(const ModelInfo& model, int first_unit, int64_t rows, int64_t outputs,
                                   int threads, const std::filesystem::path& path);

  // Log probabilities (outputs x n_vocab) for the teacher's own hidden states, one text a window. Kept; later
  // texts are compared with them.
  absl::Status Refer(std::span<const std::vector<float>> hidden);
  // Fills `kl` of every job: mean KL from the reference of its window. `go_on`, where given, is told the
  // share done now and then; its error ends the run.
  absl::Status Run(std::span<TailJob> jobs, const std::function<absl::Status(double share)>& go_on = nullptr);

 private:
  absl::StatusOr<std::vector<float>> LogProbabilities(Stage& stage, std::span<const float> hidden) const;

  int64_t outputs_ = 0;
  size_t width_ = 0;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<std::vector<float>> reference_;
};

// `count` of `rows` row numbers, evenly spread, the last among them.
std::vector<size_t> SpreadRows(size_t rows, size_t count);
// Of the second half, evenly spread: what an error costs where a text begins, with next to no context, is not
// what it costs further on, and longer texts have more of that.
std::vector<size_t> LateRows(size_t rows, size_t count);
// Log probabilities (outputs x n_vocab) of `outputs` late rows of one text of so many rows, from its
// first position. `input`: the text's tokens, or its hidden states.
absl::StatusOr<std::vector<float>> LogProbabilities(Stage& stage, size_t rows, size_t outputs,
                                                    StageInput input);
// Rows of logits to log probabilities, in place.
void LogSoftmax(std::span<float> rows, size_t width);
// Of log probabilities p and q, nats, averaged over rows.
double MeanKl(std::span<const float> p, std::span<const float> q, size_t width);

}  // namespace dilemma
