// What the first stage runs next. Requests get a slot in the order they came.
//
// Users that decode go round in groups, so that every stage has one to work on: with all of them in one batch
// the other stages would stand still. A group is one batch: at most ceil(users / groups) rows, at most
// `groups` of them on their way; whose token came back first goes first. Prompts take turns chunk by chunk,
// move through the stages like goods on a belt, and nobody waits for a long one to end: where both could set
// out, a group and a chunk take turns as well. They never share a batch. It would save no pass (libllama cuts
// a batch into parts with equally many rows of every sequence).
//
// Where a prompt ends with tokens that another ring sampled (RequestOptions.drawn), these go through in
// chunks in which a row comes out as it would alone (SetRowsAlike), as they went through one by one there:
// rounded otherwise, the rest of the answer would be another one. Such requests go before new prompts, as
// their users saw tokens stop, and the one with the fewest rows left goes first: they come all at once, when
// a ring is opened again, and so the first of them goes on soonest. There are no more of them than slots.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

struct SchedulerOptions {
  int slots = 1;
  int64_t context = 512;       // positions of a slot
  int64_t max_batch = 512;     // rows
  int64_t prefill_chunk = 64;  // rows of one prompt in a batch
  int prefill_window = 2;      // batches with prompt rows on their way at once
  int groups = 1;              // batches with decoding rows on their way at once
};

struct ScheduledBatch {
  v1::Batch batch;              // number and runs
  std::vector<int32_t> tokens;  // one for each row
  int64_t ready_ns = 0;         // when the first of its work could have started
};

// One thread at a time.
class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);
  // The least Stage::rows_alike of all stages.
  void SetRowsAlike(int64_t rows) { rows_alike_ = std::max<int64_t>(1, rows); }

  // kInvalidArgument for a prompt that is empty or longer than the context, or a request that is there
  // already; kResourceExhausted where those that wait are too many, or too long together.
  absl::Status Submit(const v1::SubmitRequest& request, int64_t now_ns);
  // Ends a request; the last stage reports it. One that is not there is left alone.
  void Cancel(uint64_t request, int64_t now_ns);
  void Return(const v1::BatchReturn& back, int64_t now_ns);

  bool Ready() const;
  ScheduledBatch Next();  // Ready() is true

 private:
  struct Request {
    v1::SubmitRequest submitted;
    uint32_t slot = 0;
    uint32_t position = 0;   // of the next row
    bool has_token = false;  // the prompt is through, and this token is to go in next
    int32_t token = 0;
    int64_t ready_ns = 0;
    uint64_t last_batch = 0;  // number of the last one it was in
    int64_t PromptLeft() const { return std::max<int64_t>(0, submitted.prompt_size() - int64_t{position}); }
    bool GoesOn() const { return submitted.options().drawn() > 0; }  // an answer of another ring
  };

  void Admit();
  void AddDecodes(ScheduledBatch* work);  // MayDecode() is true
  void AddPrompt(ScheduledBatch* work);   // NextPrompt() is one
  const Request* NextPrompt() const;      // nullptr: none may start now
  bool MayDecode() const;                 // somebody's token is back, and a group may set out
  size_t GroupRows() const;

  const SchedulerOptions options_;
  int64_t rows_alike_ = 1;
  std::deque<Request> waiting_;
  int64_t waiting_tokens_ = 0;          // of their prompts
  std::map<uint64_t, Request> active_;  // by request: the order they were submitted in
  std::set<uint32_t> free_slots_;
  std::map<uint64_t, int64_t> cancelled_;               // to be told to the last stage: request -> when
  std::set<uint64_t> prompt_batches_, decode_batches_;  // on their way
  uint64_t next_number_ = 1;
  bool prompts_turn_ = false;  // where a group of those that decode could set out too
};

}  // namespace dilemma
