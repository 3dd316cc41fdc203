// Real quantized bytes of every matrix of a model at every type, made once, from which any choice of types is
// put together: benchmarks make many.
#pragma once

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "distill/distill.h"
#include "evaluation/text.h"
#include "model/gguf_file.h"
#include "model/gguf_reader.h"
#include "quality/quality.h"
#include "quantizer/shard_writer.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {

class TypeBank {
 public:
  // method: "plain" (ggml's own quantization, made when asked for) or "importance" (Distill's kImportance
  // with all units at one type, for each type in `types`).
  static absl::StatusOr<TypeBank> Make(const ModelInfo& model, const std::string& method,
                                       const std::set<std::string>& types,
                                       const std::vector<TokenWindow>& windows) {
    TypeBank bank(model);
    if (method == "plain") return bank;
    ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-bank"));
    for (const std::string& name : types) {
      ASSIGN_OR_RETURN(const TypeMix mix, TypeMix::Parse(name));
      const std::vector<TypeMix> mixes(model.units.size(), mix);
      DistillOptions options;
      options.method = DistillMethod::kImportance;
      const auto path = dir.path() / (name + ".gguf");
      RETURN_IF_ERROR(Distill(model, mixes, windows, options, path, [&](const DistillEvent& event) {
                        std::fprintf(stderr, "\r%s: %d/%d   ", name.c_str(), event.done, event.total);
                        return true;
                      }).status());
      RETURN_IF_ERROR(bank.TakeFrom(path, mix.base));
    }
    std::fprintf(stderr, "\n");
    return bank;
  }

  absl::StatusOr<std::string> Bytes(const TensorInfo& tensor, TensorType type) {
    // A tied head is the embedding's matrix; where the two have different types each is made from it.
    const auto key = std::make_pair(tensor.name, type.ggml);
    if (const auto found = bytes_.find(key); found != bytes_.end()) return found->second;
    if (tensor.name == "output.weight") {
      if (const auto found = bytes_.find({"token_embd.weight", type.ggml}); found != bytes_.end())
        return found->second;
    }
    ASSIGN_OR_RETURN(std::string source, ReadTensorBytes(model_->path, tensor));
    if (type != tensor.type) {
      ASSIGN_OR_RETURN(source,
                       Quantize(Dequantize(source, tensor.type, tensor.shape[0]), type, tensor.shape[0]));
    }
    return bytes_[key] = std::move(source);
  }

  absl::StatusOr<ShardInfo> Write(const std::vector<TypeMix>& types, const std::filesystem::path& path) {
    const bool tied = model_->tied_head && types.front().For("token_embd") == types.back().For("output");
    return WriteWholeFrom(
        *model_, types, [this](const TensorInfo& tensor, TensorType type) { return Bytes(tensor, type); },
        tied, path);
  }

 private:
  explicit TypeBank(const ModelInfo& model) : model_(&model) {}

  absl::Status TakeFrom(const std::filesystem::path& path, TensorType type) {
    ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
    for (const TensorInfo& tensor : file.tensors()) {
      if (tensor.type != type || tensor.rows() < 2) continue;
      ASSIGN_OR_RETURN(bytes_[std::make_pair(tensor.name, type.ggml)],
                       ReadTensorBytes(path.string(), tensor));
    }
    return absl::OkStatus();
  }

  const ModelInfo* model_;
  std::map<std::pair<std::string, int>, std::string> bytes_;
};

// Every single type in a table's mixes.
inline std::set<std::string> TypesIn(const QualityTable& table) {
  std::set<std::string> types;
  for (const UnitQuality& unit : table.units) {
    for (const Choice& choice : unit.choices) {
      types.insert(Name(choice.mix.base));
      for (const auto& [role, type] : choice.mix.exceptions) types.insert(Name(type));
    }
  }
  return types;
}

}  // namespace dilemma
