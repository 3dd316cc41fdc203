#include "engine/layer_probe.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>
#include <numeric>

#include "base/status.h"
#include "engine/backend.h"
#include "engine/shard_check.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "llama.h"
#include "model/gguf_file.h"

namespace dilemma {
namespace {

// What libllama's scheduler asks about while a graph is computed.
class Watch {
 public:
  std::map<std::string, ggml_tensor*> weights;  // seen while `learning`
  std::vector<LinearGroup> groups;
  std::vector<std::string>
      inputs;  // of the groups: names of nodes; empty: the text itself (post-norm layers)
  bool learning = false;

  std::string stop_at;                          // a node's name: copy it and go no further
  bool run_on = false;                          // do go further
  std::string residual;                         // a node's name: copy it on the way
  const LayerProbe::TakeInput* take = nullptr;  // of all inputs, instead of stopping at one
  std::vector<float> stopped, passed;
  bool failed = false;

  static bool Callback(ggml_tensor* node, bool ask, void* user) {
    return static_cast<Watch*>(user)->On(node, ask);
  }

 private:
  bool On(ggml_tensor* node, bool ask) {
    if (learning && ask) Learn(node);
    if (take != nullptr) return Take(node, ask);
    const bool stop = !stop_at.empty() && stop_at == node->name;
    const bool pass = !residual.empty() && residual == node->name;
    if (ask) return stop || pass;
    if (pass) Copy(node, passed);
    if (stop) Copy(node, stopped);
    return !stop || run_on;  // false ends the computation
  }

  bool Take(const ggml_tensor* node, bool ask) {
    const auto found =
        node->name[0] == 0 ? inputs.end() : std::find(inputs.begin(), inputs.end(), node->name);
    if (ask) return found != inputs.end();
    if (found == inputs.end()) return true;
    Copy(node, stopped);
    (*take)(static_cast<int>(found - inputs.begin()), stopped);
    return run_on || found + 1 != inputs.end();
  }

  void Copy(const ggml_tensor* node, std::vector<float>& values) {
    if (node->type != GGML_TYPE_F32 || !ggml_is_contiguous(node)) {
      failed = true;
      return;
    }
    values.resize(static_cast<size_t>(ggml_nelements(node)));
    ggml_backend_tensor_get(node, values.data(), 0, ggml_nbytes(node));
  }

  void Learn(ggml_tensor* node) {
    for (ggml_tensor* source : node->src) {
      if (source != nullptr && source->op == GGML_OP_NONE && source->buffer != nullptr) {
        weights.emplace(source->name, source);
      }
    }
    if (node->op != GGML_OP_MUL_MAT || node->src[0]->op != GGML_OP_NONE) return;
    const bool computed = node->src[1]->op != GGML_OP_NONE;
    const std::string input = computed ? node->src[1]->name : "";
    if (inputs.empty() || inputs.back() != input) {
      inputs.push_back(input);
      groups.push_back({{}, node->src[1]->ne[0]});
    }
    groups.back().tensors.emplace_back(node->src[0]->name);
  }
};

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};

class LlamaProbe : public LayerProbe {
 public:
  explicit LlamaProbe(const ShardShape& shape) : shape_(shape) {}

  absl::Status Init(const GgufFile& file, int64_t rows, int threads) {
    rows_ = rows;
    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers = 0;
    model_params.load_mode = LLAMA_LOAD_MODE_NONE;
    model_params.use_extra_bufts = false;  // weights stay where they can be changed
    TakeBackendErrors();
    model_.reset(llama_model_load_from_file(file.path().c_str(), model_params));
    if (model_ == nullptr) return file.Error(fmt::format("libllama cannot load it: {}", TakeBackendErrors()));
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>((rows + 255) / 256 * 256);
    params.n_batch = params.n_ubatch = params.n_outputs_max = static_cast<uint32_t>(rows);
    params.n_threads = params.n_threads_batch = threads;
    params.pooling_type = LLAMA_POOLING_TYPE_NONE;
    params.embeddings = !shape_.has_head;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.offload_kqv = params.op_offload = false;
    params.no_perf = true;
    params.cb_eval = Watch::Callback;
    params.cb_eval_user_data = &watch_;
    context_.reset(llama_init_from_model(model_.get(), params));
    if (context_ == nullptr)
      return file.Error(fmt::format("libllama cannot run it: {}", TakeBackendErrors()));
    watch_.learning = true;
    const std::vector<float> some(static_cast<size_t>(shape_.n_embd), 0.1F);
    RETURN_IF_ERROR(Run(some));
    watch_.learning = false;
    return watch_.groups.empty() ? file.Error("it has no linear layers") : absl::OkStatus();
  }

  const std::vector<LinearGroup>& groups() const override { return watch_.groups; }
  int64_t n_embd() const override { return shape_.n_embd; }
  std::span<const float> Residual() const override { return watch_.passed; }

  absl::StatusOr<std::span<const float>> InputOf(std::span<const float> hidden, int group,
                                                 std::vector<float>* output) override {
    if (group < 0 || group >= static_cast<int>(watch_.groups.size())) {
      return InvalidArgument("group {} of {}", group, watch_.groups.size());
    }
    const auto index = static_cast<size_t>(group);
    const std::string& first = watch_.groups[index].tensors.front();
    watch_.stop_at = watch_.inputs[index];
    if (first.find("ffn_down") != std::string::npos) watch_.residual = "ffn_inp-0";
    watch_.passed.clear();
    watch_.stopped.clear();
    watch_.run_on = output != nullptr;
    const bool run = watch_.run_on || !watch_.stop_at.empty();
    const absl::Status status = run ? Run(hidden) : CheckText(hidden);
    watch_.stop_at.clear();
    watch_.residual.clear();
    RETURN_IF_ERROR(status);
    if (watch_.inputs[index].empty()) watch_.stopped.assign(hidden.begin(), hidden.end());
    if (watch_.failed || watch_.stopped.empty()) return Internal("the input of {} could not be read", first);
    if (first.find("attn_output") != std::string::npos) watch_.passed.assign(hidden.begin(), hidden.end());
    if (output != nullptr) RETURN_IF_ERROR(CopyOutput(hidden, output));
    return std::span<const float>(watch_.stopped);
  }

  absl::Status Inputs(std::span<const float> hidden, const TakeInput& take,
                      std::vector<float>* output) override {
    int taken = 0;
    const TakeInput count = [&](int group, std::span<const float> input) {
      ++taken;
      take(group, input);
    };
    for (size_t g = 0; g < watch_.inputs.size(); ++g) {
      if (watch_.inputs[g].empty()) count(static_cast<int>(g), hidden);
    }
    watch_.take = &count;
    watch_.run_on = output != nullptr;
    const bool run = watch_.run_on || !watch_.inputs.back().empty();
    const absl::Status status = run ? Run(hidden) : CheckText(hidden);
    watch_.take = nullptr;
    RETURN_IF_ERROR(status);
    if (watch_.failed || taken != static_cast<int>(watch_.inputs.size()))
      return Internal("{} of {} inputs could be read", taken, watch_.inputs.size());
    return output == nullptr ? absl::OkStatus() : CopyOutput(hidden, output);
  }

  absl::StatusOr<std::span<const float>> Output(std::span<const float> hidden) override {
    RETURN_IF_ERROR(Run(hidden));
    return OutputOf(hidden);
  }

  absl::Status SetTensor(const std::string& name, std::span<const float> values) override {
    const auto found = watch_.weights.find(name);
    if (found == watch_.weights.end()) return NotFound("the shard has no tensor {}", name);
    ggml_tensor* tensor = found->second;
    if (tensor->type != GGML_TYPE_F32 || ggml_nelements(tensor) != static_cast<int64_t>(values.size())) {
      return InvalidArgument("{} is not F32 with {} values", name, values.size());
    }
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size_bytes());
    return absl::OkStatus();
  }

 private:
  // Of the text that was just run.
  absl::StatusOr<std::span<const float>> OutputOf(std::span<const float> hidden) {
    const size_t rows = hidden.size() / static_cast<size_t>(shape_.n_embd);
    const auto width = static_cast<size_t>(shape_.has_head ? shape_.n_vocab : shape_.n_embd);
    const float* values =
        shape_.has_head ? llama_get_logits(context_.get()) : llama_get_embeddings(context_.get());
    if (values == nullptr) return Internal("libllama gave no output");
    return std::span<const float>(values, rows * width);
  }

  absl::Status CopyOutput(std::span<const float> hidden, std::vector<float>* output) {
    ASSIGN_OR_RETURN(const auto values, OutputOf(hidden));
    output->assign(values.begin(), values.end());
    return absl::OkStatus();
  }

  absl::Status CheckText(std::span<const float> hidden) const {
    const auto width = static_cast<size_t>(shape_.n_embd);
    const size_t rows = hidden.size() / width;
    if (rows == 0 || rows * width != hidden.size() || static_cast<int64_t>(rows) > rows_) {
      return InvalidArgument("a text of {} values; 1 to {} rows of {} fit", hidden.size(), rows_, width);
    }
    return absl::OkStatus();
  }

  absl::Status Run(std::span<const float> hidden) {
    RETURN_IF_ERROR(CheckText(hidden));
    const size_t rows = hidden.size() / static_cast<size_t>(shape_.n_embd);
    hidden_.assign(hidden.begin(), hidden.end());
    positions_.resize(rows);
    std::iota(positions_.begin(), positions_.end(), 0);
    counts_.assign(rows, 1);
    sequences_.assign(rows, &sequence_);
    outputs_.assign(rows, 1);
    llama_batch batch = {};
    batch.n_tokens = static_cast<int32_t>(rows);
    batch.embd = hidden_.data();
    batch.pos = positions_.data();
    batch.n_seq_id = counts_.data();
    batch.seq_id = sequences_.data();
    batch.logits = outputs_.data();
    llama_memory_clear(llama_get_memory(context_.get()), false);
    watch_.failed = false;
    TakeBackendErrors();
    const int result = llama_decode(context_.get(), batch);
    if (result != 0)
      return Internal("libllama could not run a probe (code {}): {}", result, TakeBackendErrors());
    return absl::OkStatus();
  }

  ShardShape shape_;
  int64_t rows_ = 0;
  Watch watch_;
  std::unique_ptr<llama_model, FreeModel> model_;
  std::unique_ptr<llama_context, FreeContext> context_;

  std::vector<float> hidden_;
  std::vector<int32_t> positions_, counts_;
  std::vector<int32_t*> sequences_;
  std::vector<int8_t> outputs_;
  int32_t sequence_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LayerProbe>> LayerProbe::Load(const std::filesystem::path& shard, int64_t rows,
                                                             int threads) {
  InitBackend();
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(shard));
  ASSIGN_OR_RETURN(const ShardShape shape,
                   CheckShard(file, {.context = rows, .max_batch = rows, .threads = threads}));
  if (shape.has_embedding) return file.Error("a probe takes shards without the embedding");
  try {
    auto probe = std::make_unique<LlamaProbe>(shape);
    RETURN_IF_ERROR(probe->Init(file, rows, threads));
    return probe;
  } catch (const std::exception& error) {
    return file.Error(fmt::format("libllama cannot load it: {}", error.what()));
  }
}

}  // namespace dilemma
