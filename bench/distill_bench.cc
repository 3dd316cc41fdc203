// Distills the small model and prints its KL against the teacher beside ggml's plain quantization and
// importance-weighted scales at the same types:
//   distill_bench --types q4_0 [--embedding q8_0] [--calibration 32] [--test 20] [--methods
//   plain,importance,distil]
#include <chrono>
#include <cstdio>

#include "CLI/CLI.hpp"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "distill/distill.h"
#include "engine/tokenizer.h"
#include "evaluation/gguf_model.h"
#include "evaluation/kl.h"
#include "evaluation/text.h"
#include "model/gguf_reader.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string model = (CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").string();
  std::string text, types = "iq4_nl", embedding = "q8_0";
  std::vector<std::string> methods = {"plain", "importance", "distil"};
  int calibration = 32, test = 20, window = 512;
  uint32_t seed = 1;
};

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

absl::StatusOr<ShardInfo> Make(const std::string& method, const ModelInfo& model,
                               std::span<const TypeMix> types, std::span<const TokenWindow> windows,
                               const fs::path& path) {
  if (method == "plain") {
    return WriteWholeFrom(
        model, types,
        [&](const TensorInfo& tensor, TensorType type) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(model.path, tensor));
          return Quantize(Dequantize(bytes, tensor.type, tensor.shape[0]), type, tensor.shape[0]);
        },
        model.tied_head, path);
  }
  DistillOptions options;
  if (method == "importance") options.method = DistillMethod::kImportance;
  return Distill(model, types, windows, options, path, [](const DistillEvent& event) {
    std::fprintf(stderr, "\r%d/%d %s: %s        ", event.done, event.total, event.unit.c_str(),
                 event.note.c_str());
    return true;
  });
}

absl::Status Run(const Arguments& args) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(args.model));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(args.model));
  ASSIGN_OR_RETURN(const auto documents, ReadDocuments(args.text));
  ASSIGN_OR_RETURN(const auto calibration_text, SelectPart(documents, Part::kCalibration));
  ASSIGN_OR_RETURN(const auto test_text, SelectPart(documents, Part::kTest));
  ASSIGN_OR_RETURN(const auto calibration,
                   MakeWindows(calibration_text, *tokenizer,
                               {.window = args.window, .count = args.calibration, .seed = args.seed}));
  ASSIGN_OR_RETURN(const auto test,
                   MakeWindows(test_text, *tokenizer, {.window = 512, .count = args.test, .seed = 0}));
  std::printf("%zu calibration windows, %zu test windows\n", calibration.size(), test.size());
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-bench"));
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
  const std::vector<TypeMix> wides(model.units.size(), wide);
  RETURN_IF_ERROR(WriteWhole(model, wides, dir.path() / "teacher.gguf").status());
  ASSIGN_OR_RETURN(const auto teacher,
                   LoadGgufModel(dir.path() / "teacher.gguf", {.context = 512, .end_tokens = {}}));
  ASSIGN_OR_RETURN(const TypeMix mix, TypeMix::Parse(args.types));
  ASSIGN_OR_RETURN(const TypeMix embedding, TypeMix::Parse(args.embedding));
  std::vector<TypeMix> types(model.units.size(), mix);
  types.front() = types.back() = embedding;
  std::vector<std::unique_ptr<LanguageModel>> students;
  std::vector<LanguageModel*> pointers;
  std::vector<double> seconds;
  std::vector<int64_t> bytes;
  for (const std::string& method : args.methods) {
    const double start = Now();
    ASSIGN_OR_RETURN(const ShardInfo file,
                     Make(method, model, types, calibration, dir.path() / (method + ".gguf")));
    seconds.push_back(Now() - start);
    bytes.push_back(file.bytes);
    ASSIGN_OR_RETURN(auto student, LoadGgufModel(file.path, {.context = 512, .end_tokens = {}}));
    pointers.push_back(student.get());
    students.push_back(std::move(student));
  }
  ASSIGN_OR_RETURN(const auto scores, CompareModels(*teacher, pointers, test));
  for (size_t i = 0; i < students.size(); ++i) {
    const Estimate kl = MeanEstimate(scores[i + 1].kl);
    std::printf("%-10s %s embedding %s  %.2f MB  KL %.4f [%.4f, %.4f]  made in %.0f s\n",
                args.methods[i].c_str(), args.types.c_str(), args.embedding.c_str(),
                static_cast<double>(bytes[i]) / 1e6, kl.mean, kl.low, kl.high, seconds[i]);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  dilemma::Arguments args;
  CLI::App app("KL of distilled models against plain ones");
  app.add_option("--model", args.model);
  app.add_option("--text", args.text, "a SQuAD file; its articles are split into calibration and test")
      ->required();
  app.add_option("--types", args.types);
  app.add_option("--embedding", args.embedding);
  app.add_option("--methods", args.methods)->delimiter(',');
  app.add_option("--calibration", args.calibration);
  app.add_option("--test", args.test);
  app.add_option("--window", args.window);
  app.add_option("--seed", args.seed);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = dilemma::Run(args);
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", std::string(dilemma::Message(status)).c_str());
  return dilemma::ExitCode(status);
}
