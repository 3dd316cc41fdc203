#include "model/gguf_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/status.h"
#include "model/gguf_file.h"

namespace dilemma {
namespace {

// An integer key that must be there and lie in [min, max].
absl::Status ReadKey(const GgufFile& file, const std::string& key, int64_t min, int64_t max, int64_t& value) {
  const std::optional<int64_t> found = file.Integer(key);
  if (!found) return file.Error(fmt::format("the key {} is missing or not an integer", key));
  if (*found < min || *found > max) {
    return file.Error(fmt::format("the key {} is {}, which is not in [{}, {}]", key, *found, min, max));
  }
  value = *found;
  return absl::OkStatus();
}

absl::Status ReadHyperparameters(const GgufFile& file, ModelInfo& model) {
  const std::string prefix = model.arch + ".";
  if (file.Integer(prefix + "expert_count").value_or(0) > 0) {
    return file.Error("this is a mixture of experts; only dense models can be cut");
  }
  constexpr int64_t kMax = int64_t{1} << 24;
  RETURN_IF_ERROR(ReadKey(file, prefix + "block_count", 0, 4096, model.n_layer));
  RETURN_IF_ERROR(ReadKey(file, prefix + "embedding_length", 1, kMax, model.n_embd));
  RETURN_IF_ERROR(ReadKey(file, prefix + "feed_forward_length", 1, kMax, model.n_ff));
  RETURN_IF_ERROR(ReadKey(file, prefix + "attention.head_count", 1, 65536, model.n_head));
  RETURN_IF_ERROR(ReadKey(file, prefix + "context_length", 1, int64_t{1} << 31, model.n_ctx_train));
  model.n_head_kv = model.n_head;
  if (file.Integer(prefix + "attention.head_count_kv")) {
    RETURN_IF_ERROR(ReadKey(file, prefix + "attention.head_count_kv", 1, model.n_head, model.n_head_kv));
  }
  model.head_dim_k = file.Integer(prefix + "attention.key_length").value_or(model.n_embd / model.n_head);
  model.head_dim_v = file.Integer(prefix + "attention.value_length").value_or(model.n_embd / model.n_head);
  if (model.head_dim_k < 1 || model.head_dim_k > 65536 || model.head_dim_v < 1 || model.head_dim_v > 65536) {
    return file.Error("the attention heads have no plausible size");
  }
  return absl::OkStatus();
}

bool IsQuantizable(const TensorInfo& tensor) {
  return tensor.name.ends_with(".weight") && tensor.shape[1] > 1 && tensor.shape[2] == 1 &&
         tensor.shape[3] == 1 && TensorRole(tensor.name) != "position_embd";
}

// The layer of "blk.<layer>.<rest>"; -1 for any other name.
int LayerOf(const std::string& name) {
  if (!name.starts_with("blk.")) return -1;
  int layer = -1;
  const char* end = name.data() + name.size();
  auto [rest, error] = std::from_chars(name.data() + 4, end, layer);
  return error == std::errc() && rest != end && *rest == '.' && layer >= 0 ? layer : -1;
}

absl::Status PlaceTensor(const GgufFile& file, const TensorInfo& tensor, ModelInfo& model) {
  const std::string role = TensorRole(tensor.name);
  if (role.ends_with("_exps") || role == "ffn_gate_inp") {
    return file.Error(fmt::format("tensor '{}' belongs to a mixture of experts; only dense models can be cut",
                                  tensor.name));
  }
  const int layer = LayerOf(tensor.name);
  if (layer >= model.n_layer) {
    return file.Error(
        fmt::format("tensor '{}' is beyond the {} layers that the header names", tensor.name, model.n_layer));
  }
  if (layer >= 0) {
    model.units[static_cast<size_t>(layer) + 1].tensors.push_back(tensor);
  } else if (role.starts_with("token_embd") || role == "position_embd") {
    model.units.front().tensors.push_back(tensor);
  } else if (role == "output" || role == "output_norm" || role == "output_proj") {
    model.units.back().tensors.push_back(tensor);
  } else if (role == "rope_freqs") {
    model.shared_by_layers.push_back(tensor);
  } else {
    return file.Error(fmt::format("tensor '{}' is not known for architecture {}; this variant cannot be cut",
                                  tensor.name, model.arch));
  }
  return absl::OkStatus();
}

bool Has(const Unit& unit, std::string_view role) {
  return std::any_of(unit.tensors.begin(), unit.tensors.end(), [&](const TensorInfo& t) {
    return TensorRole(t.name) == role && t.name.ends_with(".weight");
  });
}

absl::Status Require(const GgufFile& file, const Unit& unit, std::initializer_list<std::string_view> roles) {
  for (std::string_view role : roles) {
    if (!Has(unit, role)) {
      return file.Error(
          fmt::format("{} has no tensor {}.weight; the file is not a whole model", unit.Label(), role));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTensors(const GgufFile& file, const ModelInfo& model) {
  const bool opt = model.arch == "opt";
  RETURN_IF_ERROR(Require(file, model.units.front(), {"token_embd"}));
  RETURN_IF_ERROR(Require(file, model.units.back(), {"output"}));
  if (opt) {
    RETURN_IF_ERROR(Require(file, model.units.front(), {"position_embd"}));
  } else {
    RETURN_IF_ERROR(Require(file, model.units.back(), {"output_norm"}));
  }
  for (const Unit& unit : model.units) {
    if (unit.kind != UnitKind::kLayer) continue;
    RETURN_IF_ERROR(Require(file, unit, {"attn_output", "ffn_up", "ffn_down"}));
    if (!Has(unit, "attn_qkv")) RETURN_IF_ERROR(Require(file, unit, {"attn_q", "attn_k", "attn_v"}));
    if (!opt) RETURN_IF_ERROR(Require(file, unit, {"attn_norm", "ffn_norm", "ffn_gate"}));
  }
  return absl::OkStatus();
}

// Gives the head its own entry where the source shares one matrix between embedding and head.
void TieHead(ModelInfo& model) {
  if (Has(model.units.back(), "output")) return;
  for (const TensorInfo& tensor : model.units.front().tensors) {
    if (tensor.name != "token_embd.weight") continue;
    TensorInfo output = tensor;
    output.name = "output.weight";
    model.tied_head = true;
    model.units.back().tensors.push_back(std::move(output));
  }
}

void MakeUnits(ModelInfo& model) {
  model.units.resize(static_cast<size_t>(model.n_layer) + 2);
  model.units.front().kind = UnitKind::kEmbedding;
  model.units.back().kind = UnitKind::kHead;
  for (int layer = 0; layer < model.n_layer; ++layer) {
    Unit& unit = model.units[static_cast<size_t>(layer) + 1];
    unit.layer = layer;
    unit.kv_bytes_per_token = 2 * model.n_head_kv * (model.head_dim_k + model.head_dim_v);  // 2 bytes each
  }
}

}  // namespace

absl::StatusOr<ModelInfo> ReadModel(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
  ModelInfo model;
  model.path = path.string();
  model.file_bytes = file.file_bytes();
  model.name = file.String("general.name").value_or(path.stem().string());
  model.arch = file.String("general.architecture").value_or("");
  if (!CanBeCut(model.arch)) {
    return file.Error(fmt::format("architecture '{}' cannot be cut; supported are {}", model.arch,
                                  SupportedArchitectures()));
  }
  RETURN_IF_ERROR(ReadHyperparameters(file, model));
  if (model.n_layer < 1) return file.Error("the model has no layers");
  MakeUnits(model);
  for (TensorInfo tensor : file.tensors()) {
    tensor.quantizable = IsQuantizable(tensor);
    RETURN_IF_ERROR(PlaceTensor(file, tensor, model));
  }
  TieHead(model);
  RETURN_IF_ERROR(CheckTensors(file, model));
  model.n_vocab = file.FindTensor("token_embd.weight")->shape[1];
  return model;
}

absl::StatusOr<std::string> ReadTensorBytes(const std::filesystem::path& path, const TensorInfo& tensor) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return FailedPrecondition("cannot open '{}': {}", path.string(), std::strerror(errno));
  std::string bytes(static_cast<size_t>(tensor.bytes), '\0');
  in.seekg(tensor.offset);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.gcount() != static_cast<std::streamsize>(bytes.size())) {
    return InvalidArgument("'{}': tensor '{}' is cut off; the file has changed, read it again", path.string(),
                           tensor.name);
  }
  return bytes;
}

}  // namespace dilemma
