#include "quantizer/shard_writer.h"

#include "base/file.h"
#include "base/status.h"
#include "model/gguf_file.h"
#include "model/gguf_output.h"
#include "model/gguf_reader.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

// One tensor on its way into a file.
struct Item {
  const TensorInfo* source;
  std::string name;  // in the file
  TensorType type;
};

absl::Status CheckRequest(const ModelInfo& model, int first_unit, int last_unit,
                          std::span<const TypeMix> types) {
  const int units = static_cast<int>(model.units.size());
  if (first_unit < 0 || last_unit < first_unit || last_unit >= units) {
    return InvalidArgument("units {} to {} of a model that has 0 to {}", first_unit, last_unit, units - 1);
  }
  if (static_cast<int>(types.size()) != last_unit - first_unit + 1) {
    return InvalidArgument("{} type mixes for {} units", types.size(), last_unit - first_unit + 1);
  }
  for (int u = first_unit; u <= last_unit; ++u) {  // every row admits its type
    const absl::StatusOr<int64_t> bytes =
        UnitBytes(model.units[static_cast<size_t>(u)], types[static_cast<size_t>(u - first_unit)]);
    if (!bytes.ok()) return bytes.status();
  }
  return absl::OkStatus();
}

// Layers are renumbered from 0.
std::string NameInShard(const TensorInfo& tensor, const Unit& unit, int first_layer) {
  if (unit.kind != UnitKind::kLayer) return tensor.name;
  return fmt::format("blk.{}{}", unit.layer - first_layer, tensor.name.substr(tensor.name.find('.', 4)));
}

struct Contents {
  std::vector<Item> items;
  int layers = 0;
};

Contents ListTensors(const ModelInfo& model, int first_unit, int last_unit, std::span<const TypeMix> types) {
  Contents contents;
  const int first_layer = std::max(first_unit, 1) - 1;
  for (int u = first_unit; u <= last_unit; ++u) {
    const Unit& unit = model.units[static_cast<size_t>(u)];
    const TypeMix& mix = types[static_cast<size_t>(u - first_unit)];
    if (unit.kind == UnitKind::kLayer && contents.layers++ == 0) {
      for (const TensorInfo& tensor : model.shared_by_layers) {
        contents.items.push_back({&tensor, tensor.name, tensor.type});
      }
    }
    for (const TensorInfo& tensor : unit.tensors) {
      const TensorType type = tensor.quantizable ? mix.For(TensorRole(tensor.name)) : tensor.type;
      contents.items.push_back({&tensor, NameInShard(tensor, unit, first_layer), type});
    }
  }
  return contents;
}

absl::StatusOr<std::string> Convert(const ModelInfo& model, const Item& item, const TensorBytes& bytes_of) {
  if (bytes_of && item.source->quantizable) return bytes_of(*item.source, item.type);
  ASSIGN_OR_RETURN(std::string bytes, ReadTensorBytes(model.path, *item.source));
  if (item.type == item.source->type) return bytes;
  const int64_t row = item.source->shape[0];
  const std::vector<float> weights = Dequantize(bytes, item.source->type, row);
  absl::StatusOr<std::string> result = Quantize(weights, item.type, row);
  if (!result.ok()) return Annotate(result.status(), item.source->name);
  return result;
}

absl::StatusOr<ShardInfo> Write(const ModelInfo& model, const Contents& contents, GgufOutput& output,
                                const std::filesystem::path& path, const Progress& progress,
                                const TensorBytes& bytes_of = nullptr) {
  const int total = static_cast<int>(contents.items.size());
  for (const Item& item : contents.items) {
    RETURN_IF_ERROR(output.Declare(*item.source, item.name, item.type));
  }
  RETURN_IF_ERROR(output.Start(path));
  for (int i = 0; i < total; ++i) {
    if (progress && !progress(i, total)) return absl::CancelledError("cancelled");
    ASSIGN_OR_RETURN(const std::string bytes,
                     Convert(model, contents.items[static_cast<size_t>(i)], bytes_of));
    RETURN_IF_ERROR(output.Append(bytes));
  }
  RETURN_IF_ERROR(output.Finish());
  if (progress) progress(total, total);
  ShardInfo shard = {.path = path, .sha256 = "", .bytes = 0};
  ASSIGN_OR_RETURN(shard.sha256, Sha256OfFile(path));
  shard.bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  return shard;
}

}  // namespace

absl::StatusOr<ShardInfo> WriteShard(const ModelInfo& model, int first_unit, int last_unit,
                                     std::span<const TypeMix> types, const std::filesystem::path& path,
                                     const Progress& progress, const TensorBytes& bytes) {
  RETURN_IF_ERROR(CheckRequest(model, first_unit, last_unit, types));
  ASSIGN_OR_RETURN(const GgufFile source, GgufFile::Open(model.path));
  const Contents contents = ListTensors(model, first_unit, last_unit, types);
  GgufOutput output(source.context());
  output.RemoveKeys("tokenizer.");
  output.RemoveKeys("general.file_type");  // says one type for the whole file
  output.SetString("tokenizer.ggml.model", "no_vocab");
  output.SetInteger(model.arch + ".vocab_size", static_cast<uint32_t>(model.n_vocab));
  output.SetInteger(model.arch + ".block_count", static_cast<uint32_t>(contents.layers));
  return Write(model, contents, output, path, progress, bytes);
}

absl::StatusOr<ShardInfo> WriteWhole(const ModelInfo& model, std::span<const TypeMix> types,
                                     const std::filesystem::path& path, const Progress& progress) {
  const int last = static_cast<int>(model.units.size()) - 1;
  RETURN_IF_ERROR(CheckRequest(model, 0, last, types));
  ASSIGN_OR_RETURN(const GgufFile source, GgufFile::Open(model.path));
  GgufOutput output(source.context());
  output.RemoveKeys("general.file_type");
  return Write(model, ListTensors(model, 0, last, types), output, path, progress);
}

absl::StatusOr<ShardInfo> WriteWholeFrom(const ModelInfo& model, std::span<const TypeMix> types,
                                         const TensorBytes& bytes, bool tied,
                                         const std::filesystem::path& path, const Progress& progress) {
  const int last = static_cast<int>(model.units.size()) - 1;
  RETURN_IF_ERROR(CheckRequest(model, 0, last, types));
  if (tied && (!model.tied_head || types.front().For("token_embd") != types.back().For("output"))) {
    return InvalidArgument("embedding and head cannot share a matrix: they have different weights or types");
  }
  ASSIGN_OR_RETURN(const GgufFile source, GgufFile::Open(model.path));
  GgufOutput output(source.context());
  output.RemoveKeys("general.file_type");
  Contents contents = ListTensors(model, 0, last, types);
  if (tied) std::erase_if(contents.items, [](const Item& item) { return item.name == "output.weight"; });
  return Write(model, contents, output, path, progress, bytes);
}

}  // namespace dilemma
