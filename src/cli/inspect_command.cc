#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "model/gguf_reader.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string model;
  int64_t context = 512;
};

// Units that look alike (same kind, same bytes) become one row: "layers 0-29".
std::string RunLabel(const Unit& first, const Unit& last) {
  if (first.kind != UnitKind::kLayer || first.layer == last.layer) return first.Label();
  return fmt::format("layers {}-{}", first.layer, last.layer);
}

bool Alike(const Unit& a, const Unit& b) {
  if (a.kind != b.kind || a.tensors.size() != b.tensors.size() ||
      a.kv_bytes_per_token != b.kv_bytes_per_token) {
    return false;
  }
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    if (a.tensors[i].shape != b.tensors[i].shape || a.tensors[i].type != b.tensors[i].type) return false;
  }
  return true;
}

int64_t SourceBytes(const Unit& unit) {
  int64_t bytes = 0;
  for (const TensorInfo& tensor : unit.tensors) bytes += tensor.bytes;
  return bytes;
}

// Sizes of a unit at each type of its menu, by descending bits.
std::vector<std::pair<std::string, int64_t>> MenuBytes(const Unit& unit) {
  std::vector<std::pair<std::string, int64_t>> sizes;
  for (const TensorType type : UnitMenu(unit)) {
    const auto bytes = UnitBytes(unit, TypeMix{type, {}});
    if (bytes.ok()) sizes.emplace_back(Name(type), *bytes);
  }
  return sizes;
}

Json ToJson(const ModelInfo& model, int64_t context) {
  Json units = Json::array();
  for (const Unit& unit : model.units) {
    Json types = Json::object();
    for (const auto& [type, bytes] : MenuBytes(unit)) types[type] = bytes;
    units.push_back({{"unit", unit.Label()},
                     {"source_bytes", SourceBytes(unit)},
                     {"kv_bytes_per_token", unit.kv_bytes_per_token},
                     {"flops_per_token", UnitFlopsPerToken(model, unit, context)},
                     {"bytes_by_type", std::move(types)}});
  }
  return {{"model", model.name},          {"path", model.path},
          {"arch", model.arch},           {"parameters", model.parameters()},
          {"n_layer", model.n_layer},     {"n_embd", model.n_embd},
          {"n_vocab", model.n_vocab},     {"n_ctx_train", model.n_ctx_train},
          {"tied_head", model.tied_head}, {"file_bytes", model.file_bytes},
          {"units", std::move(units)}};
}

std::string ToText(const ModelInfo& model, int64_t context) {
  std::string out = fmt::format(
      "{}: {} with {} layers, {} wide, vocabulary {}, trained on {} tokens of context\n"
      "{:.1f} M parameters in {} ({}{})\n\n",
      model.name, model.arch, model.n_layer, model.n_embd, model.n_vocab, model.n_ctx_train,
      static_cast<double>(model.parameters()) / 1e6, FormatBytes(model.file_bytes), model.path,
      model.tied_head ? "; head and embedding share one matrix" : "");
  Table units({"units", ">bytes each", ">KV per token", fmt::format(">MFLOP per token at {}", context)});
  Table types({"units", "type", ">bits per weight", ">bytes each"});
  for (size_t i = 0; i < model.units.size();) {
    size_t j = i;
    while (j + 1 < model.units.size() && Alike(model.units[i], model.units[j + 1])) ++j;
    const Unit& unit = model.units[i];
    const std::string label = RunLabel(unit, model.units[j]);
    units.Add({label, FormatBytes(SourceBytes(unit)), FormatBytes(unit.kv_bytes_per_token),
               fmt::format("{:.2f}", UnitFlopsPerToken(model, unit, context) / 1e6)});
    bool first = true;
    for (const TensorType type : UnitMenu(unit)) {
      const TypeMix mix{type, {}};
      const auto bytes = UnitBytes(unit, mix);
      if (!bytes.ok()) continue;
      types.Add({first ? label : "", Name(type), fmt::format("{:.2f}", UnitBitsPerWeight(unit, mix)),
                 FormatBytes(*bytes)});
      first = false;
    }
    i = j + 1;
  }
  return out + units.ToString() + "\nWhat each unit takes at the types it admits:\n" + types.ToString();
}

}  // namespace

void AddInspect(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(program, "inspect", "Show a model's units: bytes per tensor type, KV cache, FLOPs",
                 "dilemma inspect SmolLM2-135M-Instruct.Q4_1.gguf", [&program, options]() -> absl::Status {
                   ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(options->model));
                   if (program.json) {
                     PrintJson(ToJson(model, options->context));
                   } else {
                     Print(ToText(model, options->context));
                   }
                   return absl::OkStatus();
                 });
  command->add_option("model", options->model, "A GGUF file")->required();
  command->add_option("--context", options->context, "Tokens before the one whose FLOPs are shown")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 24))
      ->capture_default_str();
}

}  // namespace dilemma::cli
