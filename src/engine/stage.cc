#include "engine/stage.h"

#include <algorithm>
#include <exception>

#include "base/status.h"
#include "engine/backend.h"
#include "engine/llama_stage.h"
#include "engine/row_check.h"
#include "engine/shard_check.h"
#include "engine/stage_memory.h"
#include "llama.h"
#include "model/gguf_file.h"
#include "model/kv_cache.h"

namespace dilemma {
namespace {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
using ModelPtr = std::unique_ptr<llama_model, FreeModel>;
using ContextPtr = std::unique_ptr<llama_context, FreeContext>;

int64_t PaddedContext(const StageOptions& options) { return CachedTokens(options.context); }

llama_context_params ContextParams(const ShardShape& shape, const StageOptions& options,
                                   StageDevices devices = StageDevices::kHere) {
  llama_context_params params = llama_context_default_params();
  const int64_t cells = PaddedContext(options) * options.sequences;
  const int64_t batch = std::min(options.max_batch, cells);
  params.n_ctx = static_cast<uint32_t>(cells);
  params.n_seq_max = static_cast<uint32_t>(options.sequences);
  params.n_batch = params.n_ubatch = static_cast<uint32_t>(batch);
  const bool all_rows = !shape.has_head || options.all_logits;
  params.n_outputs_max =
      static_cast<uint32_t>(all_rows ? batch : std::min<int64_t>(batch, options.sequences));
  params.n_threads = params.n_threads_batch = options.threads;
  params.pooling_type = LLAMA_POOLING_TYPE_NONE;
  params.embeddings = !shape.has_head;
  // Not "auto", so that every shard of a model computes alike.
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.type_k = params.type_v = GGML_TYPE_F16;
  params.offload_kqv = params.op_offload = false;
  params.kv_unified = false;
  params.no_perf = true;
  if (devices != StageDevices::kHere) params.offload_kqv = params.op_offload = true;
  if (devices == StageDevices::kRemoteFlash) params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
  return params;
}

class LlamaStage : public Stage {
 public:
  LlamaStage(ModelPtr model, ContextPtr context, const ShardShape& shape, const StageOptions& options,
             int64_t rows_alike)
      : model_(std::move(model)),
        context_(std::move(context)),
        shape_(shape),
        options_(options),
        rows_alike_(rows_alike),
        max_outputs_(ContextParams(shape, options).n_outputs_max),
        next_position_(static_cast<size_t>(options.sequences), 0) {}

  bool has_embedding() const override { return shape_.has_embedding; }
  bool has_head() const override { return shape_.has_head; }
  int64_t n_embd() const override { return shape_.n_embd; }
  int64_t n_vocab() const override { return shape_.n_vocab; }
  int64_t kv_bytes() const override {
    return shape_.kv_bytes_per_token * PaddedContext(options_) * options_.sequences;
  }
  int64_t weight_bytes() const override { return static_cast<int64_t>(llama_model_size(model_.get())); }
  int64_t rows_alike() const override { return rows_alike_; }

  absl::StatusOr<std::span<const float>> Run(const StageInput& input) override {
    RETURN_IF_ERROR(CheckShapes(input));
    std::vector<int32_t> next = next_position_;
    RETURN_IF_ERROR(CheckPlaces(input.rows, next));
    const size_t outputs = FillBatch(input);
    if (outputs > max_outputs_) {
      return InvalidArgument("logits of {} rows were asked for; this stage was loaded for {}", outputs,
                             max_outputs_);
    }
    RETURN_IF_ERROR(Decode(input));
    next_position_ = std::move(next);
    const int64_t width = has_head() ? n_vocab() : n_embd();
    const float* values =
        has_head() ? llama_get_logits(context_.get()) : llama_get_embeddings(context_.get());
    if (values == nullptr) return Internal("libllama gave no output");
    return std::span<const float>(values, outputs * static_cast<size_t>(width));
  }

  absl::Status Truncate(int32_t sequence, int32_t from) override {
    if (sequence < 0 || sequence >= options_.sequences || from < 0) {
      return InvalidArgument("cannot cut sequence {} at position {}: the stage has {} sequences", sequence,
                             from, options_.sequences);
    }
    int32_t& next = next_position_[static_cast<size_t>(sequence)];
    if (from >= next) return absl::OkStatus();
    if (!llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, from, -1)) {
      return Internal("libllama could not cut sequence {} at position {}", sequence, from);
    }
    next = from;
    return absl::OkStatus();
  }

  absl::Status Copy(int32_t from, int32_t to) override {
    if (from < 0 || from >= options_.sequences || to < 0 || to >= options_.sequences) {
      return InvalidArgument("cannot copy sequence {} to {}: the stage has {} sequences", from, to,
                             options_.sequences);
    }
    if (from == to) return absl::OkStatus();
    RETURN_IF_ERROR(Truncate(to, 0));
    if (next_position_[static_cast<size_t>(from)] == 0) return absl::OkStatus();
    llama_memory_seq_cp(llama_get_memory(context_.get()), from, to, -1, -1);
    next_position_[static_cast<size_t>(to)] = next_position_[static_cast<size_t>(from)];
    return absl::OkStatus();
  }

 private:
  absl::Status CheckShapes(const StageInput& input) const {
    const size_t rows = input.rows.size();
    const auto max_rows =
        static_cast<size_t>(std::min(options_.max_batch, PaddedContext(options_) * options_.sequences));
    if (rows == 0 || rows > max_rows)
      return InvalidArgument("a batch of {} rows; 1 to {} fit", rows, max_rows);
    if (has_embedding()
            ? (input.tokens.size() != rows || !input.hidden.empty())
            : (input.hidden.size() != rows * static_cast<size_t>(n_embd()) || !input.tokens.empty())) {
      return InvalidArgument("{} rows with {} tokens and {} values; this stage takes {}", rows,
                             input.tokens.size(), input.hidden.size(),
                             has_embedding() ? "one token a row" : fmt::format("{} values a row", n_embd()));
    }
    if (!input.want_logits.empty() && input.want_logits.size() != rows) {
      return InvalidArgument("{} rows with {} marks of wanted logits", rows, input.want_logits.size());
    }
    for (int32_t token : input.tokens) {
      if (token < 0 || token >= n_vocab()) {
        return InvalidArgument("token {} is not one of the model's {}", token, n_vocab());
      }
    }
    return absl::OkStatus();
  }

  // Advances `next` by the rows.
  absl::Status CheckPlaces(std::span<const RowPlace> rows, std::vector<int32_t>& next) const {
    for (const RowPlace& row : rows) {
      if (row.sequence < 0 || row.sequence >= options_.sequences) {
        return InvalidArgument("sequence {} of a stage with {}", row.sequence, options_.sequences);
      }
      int32_t& expected = next[static_cast<size_t>(row.sequence)];
      if (row.position != expected) {
        return InvalidArgument("sequence {} goes on at position {}, not {}", row.sequence, expected,
                               row.position);
      }
      if (row.position >= options_.context) {
        return InvalidArgument("sequence {} is full: position {} of a context of {} tokens", row.sequence,
                               row.position, options_.context);
      }
      ++expected;
    }
    return absl::OkStatus();
  }

  // Copies the input into the batch's arrays; gives the number of rows that are outputs.
  size_t FillBatch(const StageInput& input) {
    const size_t rows = input.rows.size();
    tokens_.assign(input.tokens.begin(), input.tokens.end());
    hidden_.assign(input.hidden.begin(), input.hidden.end());
    positions_.resize(rows);
    sequences_.resize(rows);
    counts_.assign(rows, 1);
    sequence_of_.resize(rows);
    outputs_.assign(rows, has_head() ? 0 : 1);
    for (size_t i = 0; i < rows; ++i) {
      positions_[i] = input.rows[i].position;
      sequences_[i] = input.rows[i].sequence;
      sequence_of_[i] = &sequences_[i];
      if (has_head() && !input.want_logits.empty()) outputs_[i] = input.want_logits[i] != 0 ? 1 : 0;
    }
    if (has_head() && input.want_logits.empty()) outputs_.back() = 1;
    return static_cast<size_t>(std::count(outputs_.begin(), outputs_.end(), 1));
  }

  absl::Status Decode(const StageInput& input) {
    llama_batch batch = {};
    batch.n_tokens = static_cast<int32_t>(input.rows.size());
    batch.token = has_embedding() ? tokens_.data() : nullptr;
    batch.embd = has_embedding() ? nullptr : hidden_.data();
    batch.pos = positions_.data();
    batch.n_seq_id = counts_.data();
    batch.seq_id = sequence_of_.data();
    batch.logits = outputs_.data();
    TakeBackendErrors();
    int result = -1;
    try {
      result = llama_decode(context_.get(), batch);
    } catch (const std::exception& error) {
      return Internal("libllama failed: {}", error.what());
    }
    if (result == 0) return absl::OkStatus();
    for (size_t s = 0; s < next_position_.size(); ++s) {  // as if the batch had not been
      llama_memory_seq_rm(llama_get_memory(context_.get()), static_cast<int32_t>(s), next_position_[s], -1);
    }
    return Internal("libllama could not run a batch of {} rows (code {}): {}", input.rows.size(), result,
                    TakeBackendErrors());
  }

  ModelPtr model_;
  ContextPtr context_;  // before model_ to go
  ShardShape shape_;
  StageOptions options_;
  int64_t rows_alike_;
  size_t max_outputs_;
  std::vector<int32_t> next_position_;  // of each sequence

  std::vector<int32_t> tokens_, positions_, sequences_, counts_;
  std::vector<int32_t*> sequence_of_;
  std::vector<float> hidden_;
  std::vector<int8_t> outputs_;
};

}  // namespace

absl::StatusOr<StageMemory> MeasureStage(const std::filesystem::path& path, const StageOptions& options) {
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
  ASSIGN_OR_RETURN(const ShardShape shape, CheckShard(file, options));
  StageMemory memory;
  memory.kv_bytes = shape.kv_bytes_per_token * PaddedContext(options) * options.sequences;
  memory.output_bytes = int64_t{ContextParams(shape, options).n_outputs_max} *
                        (shape.has_head ? shape.n_vocab : shape.n_embd) * int64_t{sizeof(float)};
  return memory;
}

absl::StatusOr<std::unique_ptr<Stage>> Stage::Load(const std::filesystem::path& path,
                                                   const StageOptions& options) {
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  params.load_mode = LLAMA_LOAD_MODE_NONE;  // read, not mapped: the resident size is the weights'
  params.use_extra_bufts = false;           // weights as in the file, and the same arithmetic for every batch
  return LoadLlamaStage(path, options, params, StageDevices::kHere);
}

absl::StatusOr<std::unique_ptr<Stage>> LoadLlamaStage(const std::filesystem::path& path,
                                                      const StageOptions& options,
                                                      const llama_model_params& params,
                                                      StageDevices devices) {
  InitBackend();
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
  ASSIGN_OR_RETURN(const ShardShape shape, CheckShard(file, options));
  TakeBackendErrors();
  try {
    ModelPtr model(llama_model_load_from_file(path.c_str(), params));
    if (model == nullptr) {
      return file.Error(fmt::format("libllama cannot load it: {}", TakeBackendErrors()));
    }
    ContextPtr context(llama_init_from_model(model.get(), ContextParams(shape, options, devices)));
    if (context == nullptr) {
      return file.Error(fmt::format("libllama cannot run it: {}", TakeBackendErrors()));
    }
    const int64_t rows_alike = devices == StageDevices::kHere ? RowsThatComeOutAlike(file, shape) : 1;
    return std::make_unique<LlamaStage>(std::move(model), std::move(context), shape, options, rows_alike);
  } catch (const std::exception& error) {
    return file.Error(fmt::format("libllama cannot load it: {}", error.what()));
  }
}

}  // namespace dilemma
