#include "base/interrupt.h"
#include "base/units.h"
#include "cli/command.h"
#include "importer/import_opt.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string folder, out, name, type = "auto";
};

constexpr std::pair<const char*, ImportType> kTypes[] = {{"auto", ImportType::kAuto},
                                                         {"f16", ImportType::kF16},
                                                         {"f32", ImportType::kF32},
                                                         {"q8_0", ImportType::kQ8_0}};

std::string Text(ImportType type) {
  for (const auto& [name, of] : kTypes)
    if (of == type) return name;
  return "";
}

Json ToJson(const ImportResult& result, const std::string& name, const std::string& path) {
  const OptConfig& config = result.config;
  return {{"model", name},
          {"path", path},
          {"arch", "opt"},
          {"weights", result.weights},
          {"type", Text(result.type)},
          {"parameters", result.parameters},
          {"file_bytes", result.bytes},
          {"n_layer", config.layers},
          {"n_embd", config.width},
          {"n_embd_tokens", config.embedding_width},
          {"n_vocab", config.vocabulary},
          {"n_ctx_train", config.positions},
          {"norm_before", config.norm_before},
          {"final_norm", config.final_norm},
          {"tied_head", result.tied_head}};
}

std::string ToText(const ImportResult& result, const std::string& name, const std::string& path) {
  const OptConfig& config = result.config;
  return fmt::format(
      "{}: opt with {} {} layers, {} wide{}, vocabulary {}, {} positions\n"
      "{:.1f} M parameters from {} as {}, {} in {}\n",
      name, config.layers, config.norm_before ? "pre-norm" : "post-norm", config.width,
      config.embedding_width == config.width ? "" : fmt::format(" (embeddings {})", config.embedding_width),
      config.vocabulary, config.positions, static_cast<double>(result.parameters) / 1e6, result.weights,
      Text(result.type), FormatBytes(result.bytes), path);
}

ImportType TypeOf(const std::string& text) {
  for (const auto& [name, type] : kTypes)
    if (text == name) return type;
  return ImportType::kAuto;
}

absl::Status Run(const Program& program, Options options) {
  if (options.name.empty()) options.name = ModelName(options.folder);
  if (options.out.empty()) options.out = options.name + ".gguf";
  ProgressLine line("importing " + options.name);
  ImportOptions how;
  how.type = TypeOf(options.type);
  how.name = options.name;
  how.progress = [&line](int done, int total) {
    line.Update(static_cast<double>(done) / total, fmt::format("tensor {} of {}", done, total));
    return !Interrupted();
  };
  ASSIGN_OR_RETURN(const ImportResult result, ImportOpt(options.folder, options.out, how));
  line.Finish();
  if (program.json) {
    PrintJson(ToJson(result, options.name, options.out));
  } else {
    Print(ToText(result, options.name, options.out));
  }
  return absl::OkStatus();
}

}  // namespace

void AddImport(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(program, "import",
                                 "Turn a Hugging Face OPT folder into a GGUF file (Llama-family models: "
                                 "llama.cpp's convert_hf_to_gguf.py)",
                                 "dilemma import opt-350m --out opt-350m.gguf",
                                 [&program, options] { return Run(program, *options); });
  command
      ->add_option(
          "folder", options->folder,
          "With config.json, model.safetensors or pytorch_model.bin (also in parts), and the tokenizer: "
          "vocab.json and merges.txt, or tokenizer.json")
      ->required();
  command->add_option("--out,-o", options->out,
                      "The file to write (default: the folder's name with .gguf, here)");
  command
      ->add_option(
          "--type", options->type,
          "f16, f32, q8_0 (half of f16's size), or auto: f16 where the source is F16, so that nothing is "
          "lost, else f32")
      ->check(CLI::IsMember({"auto", "f16", "f32", "q8_0"}))
      ->capture_default_str();
  command->add_option("--name", options->name, "The model's name in the file (default: the folder's name)");
}

}  // namespace dilemma::cli
