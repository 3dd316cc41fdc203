#include "runtime/stage_times.h"

#include "base/statistics.h"

namespace dilemma {
namespace {

double Seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

StageTimeKeeper::StageTimeKeeper(std::vector<std::string> servers, std::vector<int64_t> clock_offset_ns,
                                 int64_t prompt_tokens)
    : servers_(std::move(servers)),
      clock_offset_ns_(std::move(clock_offset_ns)),
      prompt_tokens_(prompt_tokens),
      samples_(servers_.size()) {}

void StageTimeKeeper::Add(const v1::TokensEvent& event, const v1::BatchRun& run) {
  if (static_cast<size_t>(event.stamps_size()) != servers_.size()) return;
  const bool decode = int64_t{run.position()} >= prompt_tokens_;
  int64_t sent_ns = decode ? token_sent_ns_ : 0;  // by the stage before
  int64_t sender_offset_ns = clock_offset_ns_.back();
  for (size_t k = 0; k < servers_.size(); ++k) {
    const v1::StageStamp& stamp = event.stamps(static_cast<int>(k));
    const double compute_s = Seconds(stamp.computed_ns() - stamp.started_ns());
    if (decode) {
      samples_[k].compute_s.push_back(compute_s);
      samples_[k].queue_s.push_back(Seconds(stamp.started_ns() - stamp.received_ns()) +
                                    Seconds(stamp.sent_ns() - stamp.computed_ns()));
      if (sent_ns != 0) {
        samples_[k].wire_s.push_back(
            Seconds((stamp.received_ns() - clock_offset_ns_[k]) - (sent_ns - sender_offset_ns)));
      }
    } else {
      samples_[k].prefill_compute_s += compute_s;
    }
    sent_ns = stamp.sent_ns();
    sender_offset_ns = clock_offset_ns_[k];
  }
  if (run.sample()) token_sent_ns_ = sent_ns;
}

std::vector<StageTimes> StageTimeKeeper::Summary() const {
  std::vector<StageTimes> summary;
  for (size_t k = 0; k < servers_.size(); ++k) {
    StageTimes& times = summary.emplace_back();
    times.server = servers_[k];
    times.decode_compute_s = Median(samples_[k].compute_s);
    times.decode_queue_s = Median(samples_[k].queue_s);
    times.decode_wire_s = Median(samples_[k].wire_s);
    times.prefill_compute_s = samples_[k].prefill_compute_s;
  }
  return summary;
}

}  // namespace dilemma
