// What nodes and coordinators say to each other, through everything that checks it: requests and commands as
// they come, and batches into an open stage whose engine is a stand-in. An input is a list of messages, each
// behind its length; the first byte of the input says what they are.
#include <algorithm>

#include "engine/stage.h"
#include "fuzz/fuzz.h"
#include "runtime/hidden_codec.h"
#include "runtime/link_meter.h"
#include "runtime/messages.h"
#include "runtime/pass_runner.h"
#include "runtime/scheduler.h"
#include "runtime/shard_store.h"
#include "runtime/stage_times.h"
#include "runtime/token_maker.h"

namespace dilemma::fuzz {
namespace {

constexpr StageOptions kOptions = {
    .context = 32, .sequences = 3, .max_batch = 16, .threads = 1, .all_logits = true};
constexpr int64_t kEmbd = 4, kVocab = 8;

// Checks nothing but what the engine must be able to rely on.
class StandIn : public Stage {
 public:
  explicit StandIn(bool last) : last_(last) {}
  bool has_embedding() const override { return false; }
  bool has_head() const override { return last_; }
  int64_t n_embd() const override { return kEmbd; }
  int64_t n_vocab() const override { return kVocab; }
  int64_t kv_bytes() const override { return 0; }
  int64_t weight_bytes() const override { return 0; }
  int64_t rows_alike() const override { return kAnyRows; }
  absl::StatusOr<std::span<const float>> Run(const StageInput& input) override {
    Require(input.rows.size() <= static_cast<size_t>(kOptions.max_batch), "a batch fits");
    Require(input.hidden.size() == input.rows.size() * kEmbd, "every row has its values");
    for (const RowPlace& row : input.rows) {
      Require(row.position >= 0 && row.position < kOptions.context, "positions fit the context");
      Require(row.sequence >= 0 && row.sequence < kOptions.sequences, "slots are there");
    }
    for (const float value : input.hidden) Require(value == value, "no value is NaN");
    const auto wanted = std::count(input.want_logits.begin(), input.want_logits.end(), 1);
    output_.assign(static_cast<size_t>(last_ ? wanted * kVocab : input.rows.size() * kEmbd), 0.5F);
    return std::span<const float>(output_);
  }
  absl::Status Truncate(int32_t, int32_t) override { return absl::OkStatus(); }
  absl::Status Copy(int32_t, int32_t) override { return absl::OkStatus(); }

 private:
  const bool last_;
  std::vector<float> output_;
};

// Calls `use` with each message of the kind that can be parsed.
template <typename Message, typename Use>
void ForEach(std::string_view bytes, Use use) {
  while (bytes.size() > 2) {
    const size_t length = std::min<size_t>(
        static_cast<uint8_t>(bytes[0]) | static_cast<uint8_t>(bytes[1]) << 8, bytes.size() - 2);
    Message message;
    if (message.ParseFromArray(bytes.data() + 2, static_cast<int>(length))) use(message);
    bytes.remove_prefix(2 + length);
  }
}

template <typename Message>
std::string Packed(const Message& message) {
  const std::string bytes = message.SerializeAsString();
  return std::string{static_cast<char>(bytes.size() & 0xff), static_cast<char>(bytes.size() >> 8)} + bytes;
}

void RunBatches(std::string_view bytes, bool last) {
  StandIn stage(last);
  PassRunner runner(&stage, kOptions, WireType::kF16, 1);
  TokenMaker maker({kOptions.sequences, kOptions.context, kVocab, kOptions.all_logits});
  maker.SetEndTokens({2});
  std::vector<int8_t> want;
  bool failed = false;
  ForEach<v1::Batch>(bytes, [&](const v1::Batch& batch) {
    if (failed || !runner.Check(batch).ok()) return;
    failed = last && !maker.Prepare(batch, &want).ok();  // as the stage: the first bad one ends it
    if (failed) return;
    const auto output = runner.Run(batch, {}, want);
    failed = !output.ok();
    if (!failed && last) failed = !maker.Make(batch, want, *output).ok();
  });
}

void RunScheduler(std::string_view bytes) {
  Scheduler scheduler({.slots = 2, .context = 32, .max_batch = 8, .prefill_chunk = 4, .prefill_window = 2});
  int64_t now = 0;
  bool submit = true;
  ForEach<v1::SubmitRequest>(bytes, [&](const v1::SubmitRequest& request) {
    if (submit) (void)scheduler.Submit(request, ++now);
    submit = true;
    for (int turn = 0; turn < 4 && scheduler.Ready(); ++turn) {
      const ScheduledBatch work = scheduler.Next();
      Require(work.tokens.size() <= 8, "a batch fits");
      v1::BatchReturn back;
      back.set_batch(work.batch.number());
      for (const v1::BatchRun& run : work.batch.runs()) {
        Require(run.cancel() || run.slot() < 2, "slots are there");
        if (!run.sample()) continue;
        back.add_tokens()->set_request(run.request());
        if (run.position() + run.rows() >= 32) back.mutable_tokens()->rbegin()->set_finish(v1::FINISH_LENGTH);
      }
      scheduler.Return(back, ++now);
    }
    if (request.request() % 5 == 0) scheduler.Cancel(request.request() / 2, ++now);
  });
}

v1::Batch SmallBatch(uint32_t position) {
  v1::Batch batch;
  batch.set_number(position + 1);
  v1::BatchRun& run = *batch.add_runs();
  run.set_request(1);
  run.set_position(position);
  run.set_rows(2);
  run.set_sample(true);
  if (position == 0) {
    run.mutable_options()->set_max_tokens(5);
    run.mutable_options()->set_temperature(1);
    run.mutable_options()->set_top_p(0.9);
    run.mutable_options()->set_logits(v1::LOGITS_ALL);
  }
  batch.set_hidden(std::string(2 * kEmbd * 2, '\x11'));
  batch.add_stamps()->set_received_ns(1);
  return batch;
}

}  // namespace

std::vector<std::string> Seeds() {
  v1::SubmitRequest submit;
  submit.set_request(1);
  for (int i = 0; i < 6; ++i) submit.add_prompt(i);
  submit.mutable_options()->set_max_tokens(3);
  ProbeRequest probe;
  probe.shape.mix = "q4_0";
  probe.passes.resize(2);
  v1::TokensEvent tokens;
  tokens.add_tokens()->set_request(1);
  tokens.add_stamps();
  tokens.add_stamps();
  *tokens.add_runs() = SmallBatch(0).runs(0);
  return {"0" + Packed(SmallBatch(0)) + Packed(SmallBatch(2)),
          "1" + Packed(SmallBatch(0)) + Packed(SmallBatch(2)),
          "2" + Packed(submit),
          "3" + Packed(ToMessage(probe)),
          "4" + Packed(ToMessage("b", "h:1", LinkProbeOptions())),
          "5" + Packed(tokens)};
}

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dilemma;
  using namespace dilemma::fuzz;
  if (size == 0) return 0;
  const std::string_view bytes = fuzz::View(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      RunBatches(bytes, false);
      break;
    case 1:
      RunBatches(bytes, true);
      break;
    case 2:
      RunScheduler(bytes);
      break;
    case 3:
      ForEach<v1::ProbeRequest>(bytes, [](const auto& message) {
        const v1::ProbeRequest again = ToMessage(FromMessage(message));
        Require(again.passes_size() == message.passes_size(), "passes are kept");
      });
      break;
    case 4:
      ForEach<v1::ProbeLinkRequest>(bytes,
                                    [](const auto& message) { (void)CheckLinkProbe(FromMessage(message)); });
      ForEach<v1::ShardHeader>(bytes, [](const auto& message) { (void)CheckSha256(message.sha256()); });
      break;
    default:
      StageTimeKeeper times({"a", "b"}, {0, 5}, 4);
      ForEach<v1::TokensEvent>(bytes, [&](const v1::TokensEvent& event) {
        for (const v1::BatchRun& run : event.runs()) times.Add(event, run);
      });
      (void)times.Summary();
  }
  return 0;
}
