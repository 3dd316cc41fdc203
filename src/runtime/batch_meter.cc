#include "runtime/batch_meter.h"

#include <algorithm>

namespace dilemma {
namespace {

double Seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

int64_t BatchMeter::CountRows(const v1::TokensEvent& event, BatchStats* stats) const {
  int64_t earliest_ns = 0;
  for (const v1::BatchRun& run : event.runs()) {
    if (run.cancel()) continue;
    const auto decodes = token_sent_ns_.find(run.request());
    if (decodes == token_sent_ns_.end()) {
      stats->prompt_rows += run.rows();
      continue;
    }
    stats->decode_rows += run.rows();
    if (earliest_ns == 0 || decodes->second < earliest_ns) earliest_ns = decodes->second;
  }
  return earliest_ns;
}

BatchStats BatchMeter::Measure(const v1::TokensEvent& event) {
  BatchStats stats;
  int64_t sent_ns = CountRows(event, &stats);  // by the stage before
  int64_t sender_offset_ns = clock_offset_ns_.back();
  if (static_cast<size_t>(event.stamps_size()) == servers_.size()) {
    for (size_t k = 0; k < servers_.size(); ++k) {
      const v1::StageStamp& stamp = event.stamps(static_cast<int>(k));
      BatchStats::Stage& stage = stats.stages.emplace_back();
      stage.server = servers_[k];
      stage.compute_s = Seconds(stamp.computed_ns() - stamp.started_ns());
      stage.queue_s =
          Seconds(stamp.started_ns() - stamp.received_ns()) + Seconds(stamp.sent_ns() - stamp.computed_ns());
      stage.sent_bytes = stamp.sent_bytes();
      if (sent_ns != 0) {
        stage.wire_s = Seconds((stamp.received_ns() - clock_offset_ns_[k]) - (sent_ns - sender_offset_ns));
      }
      sent_ns = stamp.sent_ns();
      sender_offset_ns = clock_offset_ns_[k];
    }
  }
  for (const v1::BatchRun& run : event.runs()) {
    if (run.cancel()) token_sent_ns_.erase(run.request());
  }
  for (const v1::SampledToken& token : event.tokens()) {
    if (token.finish() != v1::FINISH_CANCELLED) ++stats.tokens;
    if (token.finish() == v1::FINISH_NOT) {
      token_sent_ns_[token.request()] = sent_ns;
    } else {
      token_sent_ns_.erase(token.request());
    }
  }
  return stats;
}

}  // namespace dilemma
