// Answers against size: the gold answers' negative log-likelihood ("loss") and F1 on SQuAD for the teacher
// and for choices of types at a series of sizes, each the best that the quality table knows within that share
// of the model in 32-bit floats (embedding and head apart, both counted, unless their types are the same in a
// tied model).
//   squad_bench --quality quality.json --data dev-v1.1.json [--ratios 12.75,14,16,18,20,25] [--questions 200]
//               [--method plain,importance] [--shots 0] [--out curve.json]
// Questions are of the data's test part.
#include <cstdio>

#include "CLI/CLI.hpp"
#include "bench/type_bank.h"
#include "budget/size_budget.h"
#include "engine/tokenizer.h"
#include "evaluation/gguf_model.h"
#include "evaluation/squad.h"

namespace dilemma {
namespace {

struct Arguments {
  std::string model = (CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").string();
  std::string quality, data, method = "importance", out;
  std::vector<double> ratios = {12.75, 14, 16, 18, 20, 25};
  int calibration = 32, window = 512, threads = 0;
  SquadOptions squad{.limit = 200};
};

absl::StatusOr<std::vector<SquadAnswer>> Answer(const std::filesystem::path& path, const std::string& name,
                                                const Tokenizer& tokenizer,
                                                const std::vector<SquadTask>& tasks, int threads) {
  GgufModelOptions options;
  options.context = ContextNeeded(tasks);
  options.queries = 8;
  options.threads = threads;
  options.end_tokens = AnswerEndTokens(tokenizer);
  ASSIGN_OR_RETURN(const auto model, LoadGgufModel(path, options));
  return AnswerSquad(*model, tokenizer, tasks, [&](int64_t done, int64_t total) {
    std::fprintf(stderr, "\r%s: question %ld of %ld  ", name.c_str(), static_cast<long>(done),
                 static_cast<long>(total));
    return true;
  });
}

Json Print(const std::string& name, double ratio, int64_t bytes, const std::vector<SquadAnswer>& first,
           const std::vector<SquadAnswer>& answers) {
  const SquadSummary summary = Summarize(answers);
  const SquadChange change = CompareAnswers(first, answers).value();
  std::printf(
      "%-10s %6.2f %%  %7.2f M  loss %.4f  x %.4f [%.4f, %.4f]  F1 %.2f  %+.2f [%+.2f, %+.2f]  EM %.2f\n",
      name.c_str(), ratio, static_cast<double>(bytes) / 1e6, summary.loss.mean, change.loss_ratio.mean,
      change.loss_ratio.low, change.loss_ratio.high, summary.f1.mean, change.f1.mean, change.f1.low,
      change.f1.high, summary.exact_match.mean);
  std::fflush(stdout);
  return {{"name", name},
          {"ratio", ratio},
          {"bytes", bytes},
          {"loss", summary.loss.mean},
          {"f1", summary.f1.mean},
          {"loss_ratio", {change.loss_ratio.mean, change.loss_ratio.low, change.loss_ratio.high}},
          {"f1_change", {change.f1.mean, change.f1.low, change.f1.high}}};
}

absl::Status Run(const Arguments& args) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(args.model));
  ASSIGN_OR_RETURN(const QualityTable table, ReadQuality(args.quality));
  if (table.units.size() != model.units.size())
    return InvalidArgument("the quality table is another model's");
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(args.model));
  ASSIGN_OR_RETURN(const auto documents, ReadDocuments(args.data));
  ASSIGN_OR_RETURN(const auto calibration_text, SelectPart(documents, Part::kCalibration));
  ASSIGN_OR_RETURN(const auto calibration,
                   MakeWindows(calibration_text, *tokenizer,
                               {.window = args.window, .count = args.calibration, .seed = 1}));
  ASSIGN_OR_RETURN(std::vector<SquadArticle> articles, ReadSquad(args.data));
  ASSIGN_OR_RETURN(articles, SelectPart(std::move(articles), Part::kTest));
  ASSIGN_OR_RETURN(const auto tasks, MakeSquadTasks(articles, *tokenizer, args.squad));
  ASSIGN_OR_RETURN(TypeBank bank, TypeBank::Make(model, args.method, TypesIn(table), calibration));
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-squad"));
  const auto path = dir.path() / "model.gguf";
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
  RETURN_IF_ERROR(WriteWhole(model, std::vector<TypeMix>(model.units.size(), wide), path).status());
  ASSIGN_OR_RETURN(const auto teacher, Answer(path, "teacher", *tokenizer, tasks, args.threads));
  const int64_t fp32 = Fp32Bytes(model);
  std::printf("%zu questions, %d-shot, %s weights; shares are of %.1f M bytes\n", teacher.size(),
              args.squad.shots, args.method.c_str(), static_cast<double>(fp32) / 1e6);
  Json all = Json::array();
  all.push_back(Print("teacher", 50, fp32 / 2, teacher, teacher));
  for (const double ratio : args.ratios) {
    const auto best = LeastLossWithin(table, static_cast<int64_t>(ratio / 100 * static_cast<double>(fp32)));
    if (!best.ok()) {
      std::printf("%.2f %%: %s\n", ratio, std::string(Message(best.status())).c_str());
      continue;
    }
    std::vector<TypeMix> types;
    for (size_t u = 0; u < table.units.size(); ++u)
      types.push_back(table.units[u].choices[static_cast<size_t>(best->choices[u])].mix);
    ASSIGN_OR_RETURN(const ShardInfo file, bank.Write(types, path));
    const std::string name = fmt::format("{:g} %", ratio);
    ASSIGN_OR_RETURN(const auto answers, Answer(path, name, *tokenizer, tasks, args.threads));
    all.push_back(Print(name, 100 * static_cast<double>(file.bytes) / static_cast<double>(fp32), file.bytes,
                        teacher, answers));
    if (!args.out.empty()) RETURN_IF_ERROR(WriteJson(args.out, all));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  dilemma::Arguments args;
  CLI::App app("Loss and F1 of SQuAD answers against the size of the model");
  app.add_option("--model", args.model);
  app.add_option("--quality", args.quality, "a quality table")->required();
  app.add_option("--data", args.data, "a SQuAD v1.1 file")->required();
  app.add_option("--method", args.method)->check(CLI::IsMember({"plain", "importance"}));
  app.add_option("--ratios", args.ratios, "per cent of the model in 32-bit floats")->delimiter(',');
  app.add_option("--questions", args.squad.limit, "about so many; 0: all");
  app.add_option("--shots", args.squad.shots)->check(CLI::Range(0, 1));
  app.add_option("--calibration", args.calibration, "windows for the importance of inputs")
      ->check(CLI::Range(4, 4096));
  app.add_option("--threads", args.threads, "0: all cores");
  app.add_option("--out", args.out, "figures (JSON)");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = dilemma::Run(args);
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", std::string(dilemma::Message(status)).c_str());
  return dilemma::ExitCode(status);
}
