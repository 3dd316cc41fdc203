// Models at any choice of types, put together from matrices that are made once for each type, and what the
// benchmarks that do so share: their options and what these open.
#pragma once

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/file.h"
#include "base/status.h"
#include "engine/tokenizer.h"
#include "model/gguf_reader.h"
#include "quality/quality.h"
#include "quantizer/importance.h"
#include "quantizer/shard_writer.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {

class TypeBank {
 public:
  // Matrices are rounded by `importance`, or as ggml does where it is empty. `model` must outlive the bank.
  TypeBank(const ModelInfo& model, Importance importance) : model_(&model) {
    if (model.tied_head && !importance.empty()) {
      // One matrix for both ends: its rows are looked up, where every column counts alike, and multiplied
      // with the head's inputs.
      Importance shared = importance;
      std::vector<float>& columns = shared["token_embd.weight"];
      columns = importance["output.weight"];
      float sum = 0;
      for (const float value : columns) sum += value;
      for (float& value : columns) value += sum / static_cast<float>(columns.size());
      make_tied_ = QuantizeByImportance(model, std::move(shared));
    }
    make_ = QuantizeByImportance(model, std::move(importance));
    if (!make_) make_ = QuantizeByImportance(model, {{"", {1.0F}}});  // knows no tensor: ggml's
    if (!make_tied_) make_tied_ = make_;
  }

  // Of a tensor in a model whose ends share one matrix (`tied`) or have one each.
  absl::StatusOr<std::string> Bytes(const TensorInfo& tensor, TensorType type, bool tied) {
    auto& known = tied && tensor.name == "token_embd.weight" ? tied_bytes_ : bytes_;
    const auto key = std::make_pair(tensor.name, type.ggml);
    if (const auto found = known.find(key); found != known.end()) return found->second;
    ASSIGN_OR_RETURN(std::string made, (&known == &tied_bytes_ ? make_tied_ : make_)(tensor, type));
    return known[key] = std::move(made);
  }

  absl::StatusOr<ShardInfo> Write(const std::vector<TypeMix>& types, bool tied,
                                  const std::filesystem::path& path) {
    return WriteWholeFrom(
        *model_, types, [&](const TensorInfo& tensor, TensorType type) { return Bytes(tensor, type, tied); },
        tied, path);
  }

  // The same model for measuring it: matrices whose type ggml has no vector instructions for (q2_0) are
  // written as the F16 values that they stand for. It answers as the other but for the rounding of its
  // activations, several times sooner.
  absl::StatusOr<ShardInfo> WriteToRun(const std::vector<TypeMix>& types, bool tied,
                                       const std::filesystem::path& path) {
    ASSIGN_OR_RETURN(const TensorType slow, ParseTensorType("q2_0"));
    ASSIGN_OR_RETURN(const TensorType wide, ParseTensorType("f16"));
    std::vector<TypeMix> run = types;
    for (TypeMix& mix : run) {
      if (mix.base == slow) mix.base = wide;
      for (auto& [role, type] : mix.exceptions) {
        if (type == slow) type = wide;
      }
    }
    const auto make = [&](const TensorInfo& tensor, TensorType type) -> absl::StatusOr<std::string> {
      if (!(type == wide)) return Bytes(tensor, type, tied);
      ASSIGN_OR_RETURN(const std::string made, Bytes(tensor, slow, tied));
      return Quantize(Dequantize(made, slow, tensor.shape[0]), wide, tensor.shape[0]);
    };
    return WriteWholeFrom(*model_, run, make, tied, path);
  }

 private:
  const ModelInfo* model_;
  TensorBytes make_, make_tied_;
  std::map<std::pair<std::string, int>, std::string> bytes_, tied_bytes_;
};

struct TableOptions {
  std::string model = (CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").string();
  std::string quality, text, method = "importance", out;
  int threads = 0;
};

inline void AddTableOptions(CLI::App& app, TableOptions& options) {
  app.add_option("--model", options.model);
  app.add_option("--quality", options.quality, "a quality file, measured on the text's calibration part")
      ->required();
  app.add_option("--text", options.text, "a SQuAD file; measured on its test part")->required();
  app.add_option("--method", options.method, "how weights are rounded")
      ->check(CLI::IsMember({"plain", "importance"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "0: all cores");
  app.add_option("--out", options.out, "figures (JSON)");
}

// What the options name. Stays where it is: the bank points into it.
struct TableScene {
  ModelInfo model;
  QualityTable table;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<TypeBank> bank;

  static absl::StatusOr<std::unique_ptr<TableScene>> Open(const TableOptions& options) {
    auto scene = std::make_unique<TableScene>();
    ASSIGN_OR_RETURN(scene->model, ReadModel(options.model));
    ASSIGN_OR_RETURN(scene->table, ReadQuality(options.quality));
    if (scene->table.units.size() != scene->model.units.size())
      return InvalidArgument("the quality table is another model's");
    ASSIGN_OR_RETURN(scene->tokenizer, Tokenizer::Load(options.model));
    Importance importance;
    if (options.method == "importance") {
      ASSIGN_OR_RETURN(importance, ReadImportance(options.quality));
      if (importance.empty()) return InvalidArgument("'{}' has no importance of inputs", options.quality);
    }
    scene->bank = std::make_unique<TypeBank>(scene->model, std::move(importance));
    return scene;
  }
};

}  // namespace dilemma
