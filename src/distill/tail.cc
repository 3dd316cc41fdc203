#include "distill/tail.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "distill/calibration.h"
#include "quantizer/shard_writer.h"

namespace dilemma {

std::vector<size_t> SpreadRows(size_t rows, size_t count) {
  count = std::min(count, rows);
  std::vector<size_t> chosen(count);
  for (size_t i = 0; i < count; ++i) chosen[i] = (i + 1) * rows / count - 1;
  return chosen;
}

std::vector<size_t> LateRows(size_t rows, size_t count) {
  std::vector<size_t> chosen = SpreadRows(rows - rows / 2, count);
  for (size_t& row : chosen) row += rows / 2;
  return chosen;
}

void LogSoftmax(std::span<float> rows, size_t width) {
  for (size_t start = 0; start < rows.size(); start += width) {
    const auto row = rows.subspan(start, width);
    const float most = *std::max_element(row.begin(), row.end());
    float sum = 0;  // of many like terms, in runs short enough for a float
    double total = 0;
    for (size_t i = 0; i < width; ++i) {
      sum += std::exp(row[i] - most);
      if (i % 256 == 255 || i + 1 == width) total += static_cast<double>(sum), sum = 0;
    }
    const auto shift = static_cast<float>(static_cast<double>(most) + std::log(total));
    for (float& value : row) value -= shift;
  }
}

double MeanKl(std::span<const float> p, std::span<const float> q, size_t width) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    sum += static_cast<double>(std::exp(p[i])) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  }
  return sum * static_cast<double>(width) / static_cast<double>(p.size());
}

absl::StatusOr<Tail> Tail::Load(const ModelInfo& model, int first_unit, int64_t rows, int64_t outputs,
                                int threads, const std::filesystem::path& path) {
  Tail tail;
  tail.outputs_ = outputs;
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
  const int last = static_cast<int>(model.units.size()) - 1;
  const std::vector<TypeMix> types(static_cast<size_t>(last - first_unit + 1), wide);
  ASSIGN_OR_RETURN(const ShardInfo shard, WriteShard(model, first_unit, last, types, path));
  const int stages =
      static_cast<int>(std::clamp<int64_t>((int64_t{4} << 30) / shard.bytes, 1, std::max(1, threads)));
  for (int s = 0; s < stages; ++s) {
    ASSIGN_OR_RETURN(auto stage, Stage::Load(path, {.context = rows,
                                                    .sequences = 1,
                                                    .max_batch = rows,
                                                    .threads = std::max(1, threads / stages),
                                                    .all_logits = true}));
    tail.width_ = static_cast<size_t>(stage->n_vocab());
    tail.stages_.push_back(std::move(stage));
  }
  return tail;
}

absl::StatusOr<std::vector<float>> LogProbabilities(Stage& stage, size_t rows, size_t outputs,
                                                    StageInput input) {
  std::vector<RowPlace> places(rows);
  std::vector<int8_t> wanted(rows, 0);
  for (size_t i = 0; i < rows; ++i) places[i].position = static_cast<int32_t>(i);
  for (const size_t row : LateRows(rows, outputs)) wanted[row] = 1;
  input.rows = places;
  input.want_logits = wanted;
  RETURN_IF_ERROR(stage.Truncate(0, 0));
  ASSIGN_OR_RETURN(const auto logits, stage.Run(input));
  std::vector<float> result(logits.begin(), logits.end());
  LogSoftmax(result, static_cast<size_t>(stage.n_vocab()));
  return result;
}

absl::StatusOr<std::vector<float>> Tail::LogProbabilities(Stage& stage, std::span<const float> hidden) const {
  StageInput input;
  input.hidden = hidden;
  return dilemma::LogProbabilities(stage, hidden.size() / static_cast<size_t>(stage.n_embd()),
                                   static_cast<size_t>(outputs_), input);
}

absl::Status Tail::Refer(std::span<const std::vector<float>> hidden) {
  reference_.resize(hidden.size());
  return ForEachWindow(
      hidden.size(), static_cast<int>(stages_.size()), [&](int thread, size_t w) -> absl::Status {
        ASSIGN_OR_RETURN(reference_[w], LogProbabilities(*stages_[static_cast<size_t>(thread)], hidden[w]));
        return absl::OkStatus();
      });
}

absl::Status Tail::Run(std::span<TailJob> jobs, const std::function<absl::Status(double share)>& go_on) {
  const size_t turn = 2 * stages_.size();
  for (size_t first = 0; first < jobs.size(); first += turn) {
    const auto some = jobs.subspan(first, std::min(turn, jobs.size() - first));
    RETURN_IF_ERROR(ForEachWindow(
        some.size(), static_cast<int>(stages_.size()), [&](int thread, size_t j) -> absl::Status {
          ASSIGN_OR_RETURN(const std::vector<float> found,
                           LogProbabilities(*stages_[static_cast<size_t>(thread)], some[j].hidden));
          some[j].kl = MeanKl(reference_[some[j].window], found, width_);
          return absl::OkStatus();
        }));
    if (go_on)
      RETURN_IF_ERROR(go_on(static_cast<double>(first + some.size()) / static_cast<double>(jobs.size())));
  }
  return absl::OkStatus();
}

}  // namespace dilemma
