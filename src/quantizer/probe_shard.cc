// Shards for timing: the shapes of a model, filled with pseudo-random weights.
#include <cmath>
#include <cstring>
#include <memory>

#include "base/file.h"
#include "base/status.h"
#include "ggml.h"
#include "gguf.h"
#include "model/gguf_file.h"
#include "model/gguf_output.h"
#include "quantizer/shard_writer.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

constexpr int64_t kRandomRows = 64;  // rows that differ; they repeat below
constexpr int64_t kBlock = 32;       // weights that share a scale in most types
constexpr int64_t kMaxRow = int64_t{1} << 24;

struct ProbeTensor {
  TensorInfo info;
  std::string name;
  TensorType type;
};

TensorInfo InfoOf(const gguf_context* context, int64_t index) {
  TensorInfo tensor;
  tensor.name = gguf_get_tensor_name(context, index);
  std::memcpy(tensor.shape.data(), gguf_get_tensor_ne(context, index), sizeof(tensor.shape));
  tensor.type = {static_cast<int>(gguf_get_tensor_type(context, index))};
  tensor.quantizable = tensor.shape[1] > 1 && TensorRole(tensor.name) != "position_embd";
  return tensor;
}

// Values of plausible size, the same on every machine. The blocks differ in size by factors of two and more,
// as those of trained models do (log2 of a scale of SmolLM2 spreads by 0.3 to 0.8): ggml turns 16-bit scales
// into floats by a table, and with a few scales only, that table stays in the first cache and a pass is too
// quick.
std::vector<float> RandomRows(int64_t rows, int64_t row_length) {
  std::vector<float> values(static_cast<size_t>(rows * row_length));
  uint64_t state = 0x9E3779B97F4A7C15;
  const auto random = [&state] {                                      // -0.5 to 0.5
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift64 (Marsaglia, 2003)
    return static_cast<float>(state >> 40) / static_cast<float>(1 << 24) - 0.5F;
  };
  float size = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % kBlock == 0) size = 0.1F * std::exp2(2 * random());  // spreads by 2 / sqrt(12) = 0.6
    values[i] = random() * size;
  }
  return values;
}

// Takes the tensor's bytes off what is left.
absl::Status Reserve(const ProbeTensor& tensor, int64_t* left) {
  const int64_t row = tensor.info.shape[0], rows = tensor.info.rows();
  if (row < 1 || rows < 1 || row > kMaxRow || !Admits(tensor.type, row)) {
    return InvalidArgument("{} cannot be {}: {} rows of {} weights", tensor.name, Name(tensor.type), rows,
                           row);
  }
  const int64_t row_bytes = RowBytes(tensor.type, row);
  if (rows > *left / row_bytes) {
    return absl::ResourceExhaustedError(
        fmt::format("{}, {} rows of {} bytes, is more than there is room for", tensor.name, rows, row_bytes));
  }
  *left -= rows * row_bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::string> Fill(const ProbeTensor& tensor) {
  const int64_t row = tensor.info.shape[0], rows = tensor.info.rows();
  if (!tensor.info.quantizable) {  // norms are ones, biases and positions zeros
    std::vector<float> values(static_cast<size_t>(row * rows),
                              tensor.name.ends_with(".weight") ? 1.0F : 0.0F);
    return Quantize(values, tensor.type, row);
  }
  ASSIGN_OR_RETURN(const std::string some,
                   Quantize(RandomRows(std::min(rows, kRandomRows), row), tensor.type, row));
  std::string all;
  all.reserve(static_cast<size_t>(rows * RowBytes(tensor.type, row)));
  const auto wanted = static_cast<size_t>(rows * RowBytes(tensor.type, row));
  while (all.size() < wanted) all.append(some, 0, std::min(some.size(), wanted - all.size()));
  return all;
}

std::vector<ProbeTensor> ListTensors(const gguf_context* context, const ProbeShape& shape,
                                     const TypeMix& mix) {
  std::vector<ProbeTensor> tensors;
  for (int64_t i = 0; i < gguf_get_n_tensors(context); ++i) {
    const TensorInfo info = InfoOf(context, i);
    const std::string role = TensorRole(info.name);
    const TensorType type = info.quantizable ? mix.For(role) : info.type;
    if (info.name.starts_with("blk.0.")) {
      for (int layer = 0; layer < shape.layers; ++layer) {
        tensors.push_back({info, fmt::format("blk.{}.{}", layer, info.name.substr(6)), type});
      }
    } else if (role == "rope_freqs" ? shape.layers > 0
                                    : (role.starts_with("output") ? shape.head : shape.embedding)) {
      tensors.push_back({info, info.name, type});
    }
  }
  return tensors;
}

}  // namespace

absl::StatusOr<ProbeShape> MakeProbeShape(const ModelInfo& model) {
  ASSIGN_OR_RETURN(const GgufFile source, GgufFile::Open(model.path));
  if (model.units.size() < 3) return InvalidArgument("'{}' has no layers", model.path);
  GgufOutput output(source.context());
  output.RemoveKeys("tokenizer.");
  output.RemoveKeys("general.");
  output.SetString("general.architecture", model.arch);
  output.SetString("tokenizer.ggml.model", "no_vocab");
  output.SetInteger(model.arch + ".vocab_size", static_cast<uint32_t>(model.n_vocab));
  for (const TensorInfo& tensor : model.shared_by_layers) {
    RETURN_IF_ERROR(output.Declare(tensor, tensor.name, tensor.type));
  }
  for (const Unit* unit : {&model.units.front(), &model.units[1], &model.units.back()}) {
    for (const TensorInfo& tensor : unit->tensors) {
      RETURN_IF_ERROR(output.Declare(tensor, tensor.name, tensor.type));
    }
  }
  return ProbeShape{
      .metadata = output.Header(), .layers = 1, .embedding = false, .head = false, .mix = "f16"};
}

absl::StatusOr<ShardInfo> WriteProbeShard(const ProbeShape& shape, const std::filesystem::path& path,
                                          int64_t max_bytes) {
  const auto read = ReadGgufHeader([&shape] {
    return gguf_init_from_buffer(shape.metadata.data(), shape.metadata.size(),
                                 {.no_alloc = true, .ctx = nullptr});
  });
  if (!read.ok()) return InvalidArgument("the probe's model shape is {}", Message(read.status()));
  const gguf_context* source = read->get();
  const int64_t arch = gguf_find_key(source, "general.architecture");
  if (arch < 0 || gguf_get_kv_type(source, arch) != GGUF_TYPE_STRING) {
    return InvalidArgument("the probe's model shape names no architecture");
  }
  if (shape.layers < 0 || shape.layers > 1024) return InvalidArgument("a probe of {} layers", shape.layers);
  ASSIGN_OR_RETURN(const TypeMix mix, TypeMix::Parse(shape.mix));
  GgufOutput output(source);
  output.SetInteger(std::string(gguf_get_val_str(source, arch)) + ".block_count",
                    static_cast<uint32_t>(shape.layers));
  const std::vector<ProbeTensor> tensors = ListTensors(source, shape, mix);
  int64_t left = max_bytes;
  for (const ProbeTensor& tensor : tensors) {
    RETURN_IF_ERROR(Reserve(tensor, &left));
    RETURN_IF_ERROR(output.Declare(tensor.info, tensor.name, tensor.type));
  }
  RETURN_IF_ERROR(output.Start(path));
  for (const ProbeTensor& tensor : tensors) {
    ASSIGN_OR_RETURN(const std::string bytes, Fill(tensor));
    RETURN_IF_ERROR(output.Append(bytes));
  }
  RETURN_IF_ERROR(output.Finish());
  ASSIGN_OR_RETURN(std::string sha256, Sha256OfFile(path));
  return ShardInfo{path, std::move(sha256), static_cast<int64_t>(std::filesystem::file_size(path))};
}

}  // namespace dilemma
