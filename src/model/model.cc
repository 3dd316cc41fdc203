#include "model/model.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_split.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr std::string_view kArchitectures[] = {"llama", "qwen2", "qwen3", "opt"};

absl::Status CheckRole(std::string_view role, std::string_view text) {
  const bool plain = std::all_of(role.begin(), role.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (role.empty() || !plain) return InvalidArgument("'{}': '{}' is not a tensor's role", text, role);
  return absl::OkStatus();
}

}  // namespace

std::string_view Name(UnitKind kind) {
  switch (kind) {
    case UnitKind::kEmbedding:
      return "embedding";
    case UnitKind::kLayer:
      return "layer";
    case UnitKind::kHead:
      return "head";
  }
  return "?";
}

TensorType TypeMix::For(std::string_view role) const {
  auto found = exceptions.find(std::string(role));
  return found == exceptions.end() ? base : found->second;
}

std::string TypeMix::ToString() const {
  std::string text = Name(base);
  for (const auto& [role, type] : exceptions) text += fmt::format("+{}={}", role, Name(type));
  return text;
}

absl::StatusOr<TypeMix> TypeMix::Parse(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(View(text), '+');
  TypeMix mix;
  ASSIGN_OR_RETURN(mix.base, ParseTensorType(parts[0]));
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    if (equals == std::string::npos) {
      return InvalidArgument("'{}': '{}' should read <role>=<type>, as in q4_0+ffn_down=q8_0", text,
                             parts[i]);
    }
    const std::string role = parts[i].substr(0, equals);
    RETURN_IF_ERROR(CheckRole(role, text));
    ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(parts[i].substr(equals + 1)));
    if (!mix.exceptions.emplace(role, type).second) {
      return InvalidArgument("'{}': '{}' is given twice", text, role);
    }
  }
  return mix;
}

std::string TensorRole(std::string_view tensor_name) {
  std::string_view role = tensor_name;
  if (role.starts_with("blk.")) {
    const size_t dot = role.find('.', 4);
    role = dot == std::string_view::npos ? role : role.substr(dot + 1);
  }
  return std::string(role.substr(0, role.rfind('.')));
}

std::string Unit::Label() const {
  return kind == UnitKind::kLayer ? fmt::format("layer {}", layer) : std::string(Name(kind));
}

int64_t ModelInfo::parameters() const {
  int64_t sum = 0;
  std::set<int64_t> counted;  // a tied head points at data that the embedding has
  for (const Unit& unit : units) {
    for (const TensorInfo& tensor : unit.tensors) {
      if (counted.insert(tensor.offset).second) sum += tensor.elements();
    }
  }
  return sum;
}

absl::StatusOr<int64_t> UnitBytes(const Unit& unit, const TypeMix& mix) {
  int64_t bytes = 0;
  for (const TensorInfo& tensor : unit.tensors) {
    if (!tensor.quantizable) {
      bytes += tensor.bytes;
      continue;
    }
    const TensorType type = mix.For(TensorRole(tensor.name));
    if (!Admits(type, tensor.shape[0])) {
      return InvalidArgument("{}: {} has rows of {} weights, which {} cannot hold (blocks of {})",
                             unit.Label(), tensor.name, tensor.shape[0], Name(type), BlockSize(type));
    }
    bytes += RowBytes(type, tensor.shape[0]) * tensor.rows();
  }
  return bytes;
}

double UnitBitsPerWeight(const Unit& unit, const TypeMix& mix) {
  double bits = 0, weights = 0;
  for (const TensorInfo& tensor : unit.tensors) {
    if (!tensor.quantizable) continue;
    weights += static_cast<double>(tensor.elements());
    bits += static_cast<double>(tensor.elements()) * BitsPerWeight(mix.For(TensorRole(tensor.name)));
  }
  return weights > 0 ? bits / weights : 0;
}

std::vector<TensorType> UnitMenu(const Unit& unit) {
  std::vector<TensorType> menu;
  bool first = true;
  for (const TensorInfo& tensor : unit.tensors) {
    if (!tensor.quantizable) continue;
    if (first) menu = Menu(tensor.shape[0]);
    first = false;
    std::erase_if(menu, [&](TensorType type) { return !Admits(type, tensor.shape[0]); });
  }
  return menu;
}

double UnitFlopsPerToken(const ModelInfo& model, const Unit& unit, int64_t context) {
  double flops = 0;
  for (const TensorInfo& tensor : unit.tensors) {
    const std::string role = TensorRole(tensor.name);
    if (role == "token_embd" || role == "position_embd") continue;  // rows are looked up, not multiplied
    if (tensor.quantizable) flops += 2.0 * static_cast<double>(tensor.elements());
  }
  if (unit.kind == UnitKind::kLayer) {  // scores against all keys, then the weighted sum of all values
    flops += 2.0 * static_cast<double>(model.n_head * (model.head_dim_k + model.head_dim_v)) *
             static_cast<double>(context + 1);
  }
  return flops;
}

bool CanBeCut(std::string_view arch) {
  return std::find(std::begin(kArchitectures), std::end(kArchitectures), arch) != std::end(kArchitectures);
}

std::string SupportedArchitectures() { return fmt::format("{}", fmt::join(kArchitectures, ", ")); }

}  // namespace dilemma
