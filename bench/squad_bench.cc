// Answers against size: the gold answers' negative log-likelihood ("loss") and F1 on SQuAD for the teacher
// and for choices of types at a series of file sizes, each the best that the quality table knows (`distill
// --max-file`), everything in the file counted, against the model's weights in 32-bit floats.
//   squad_bench --quality quality.json --text dev-v1.1.json [--ratios 12.75,14,16,18,20,25] [--questions 200]
//               [--method plain,importance] [--distil] [--passages] [--shots 0] [--out curve.json]
// Questions are of the data's test part. --distil: also the same types distilled, on passages of its
// calibration part with their questions and answers (--passages: without).
#include <cstdio>

#include "bench/type_bank.h"
#include "budget/size_budget.h"
#include "distill/choose_types.h"
#include "distill/distill.h"
#include "evaluation/gguf_model.h"
#include "evaluation/squad.h"
#include "evaluation/text.h"

namespace dilemma {
namespace {

struct Arguments {
  TableOptions table;
  std::vector<double> ratios = {12.75, 14, 16, 18, 20, 25};
  bool distil = false, passages = false;
  int calibration = 32, window = 512;
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

// Of the calibration part of the text.
absl::StatusOr<std::vector<TokenWindow>> CalibrationWindows(const Tokenizer& tokenizer,
                                                            const Arguments& args) {
  std::vector<Document> text;
  if (args.passages) {
    ASSIGN_OR_RETURN(text, ReadDocuments(args.table.text));
    ASSIGN_OR_RETURN(text, SelectPart(std::move(text), Part::kCalibration));
  } else {
    ASSIGN_OR_RETURN(auto articles, ReadSquad(args.table.text));
    ASSIGN_OR_RETURN(articles, SelectPart(std::move(articles), Part::kCalibration));
    text = AnsweredText(articles, PromptFor(SquadPrompt::kAuto, tokenizer));
  }
  return MakeWindows(text, tokenizer, {.window = args.window, .count = args.calibration, .seed = 1});
}

// The same types, distilled.
absl::StatusOr<ShardInfo> Distilled(const TableScene& scene, const Arguments& args,
                                    std::span<const TokenWindow> windows, const std::vector<TypeMix>& types,
                                    const std::filesystem::path& path) {
  const DistillOptions options = {.threads = args.table.threads, .work_dir = {}};
  return Distill(scene.model, types, windows, options, path, [](const DistillEvent& event) {
    std::fprintf(stderr, "\rdistilling: %d of %d  ", event.done, event.total);
    return true;
  });
}

absl::Status Run(const Arguments& args) {
  ASSIGN_OR_RETURN(const auto scene, TableScene::Open(args.table));
  const ModelInfo& model = scene->model;
  ASSIGN_OR_RETURN(std::vector<SquadArticle> articles, ReadSquad(args.table.text));
  ASSIGN_OR_RETURN(articles, SelectPart(std::move(articles), Part::kTest));
  ASSIGN_OR_RETURN(const auto tasks, MakeSquadTasks(articles, *scene->tokenizer, args.squad));
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-squad"));
  const auto path = dir.path() / "model.gguf";
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
  RETURN_IF_ERROR(WriteWhole(model, std::vector<TypeMix>(model.units.size(), wide), path).status());
  const auto answer = [&](const std::string& name) {
    return Answer(path, name, *scene->tokenizer, tasks, args.table.threads);
  };
  ASSIGN_OR_RETURN(const auto teacher, answer("teacher"));
  const int64_t fp32 = Fp32Bytes(model);
  std::printf("%zu questions, %d-shot, %s weights; shares are of %.1f M bytes\n", teacher.size(),
              args.squad.shots, args.table.method.c_str(), static_cast<double>(fp32) / 1e6);
  Json all = Json::array();
  all.push_back(Print("teacher", 50, fp32 / 2, teacher, teacher));
  const auto report = [&](const std::string& name, const ShardInfo& file) -> absl::Status {
    ASSIGN_OR_RETURN(const auto answers, answer(name));
    all.push_back(Print(name, 100 * static_cast<double>(file.bytes) / static_cast<double>(fp32), file.bytes,
                        teacher, answers));
    return args.table.out.empty() ? absl::OkStatus() : WriteJson(args.table.out, all);
  };
  std::vector<TokenWindow> calibration;
  if (args.distil) {
    ASSIGN_OR_RETURN(calibration, CalibrationWindows(*scene->tokenizer, args));
  }
  for (const double ratio : args.ratios) {
    const auto best =
        ChooseTypes(model, scene->table, static_cast<int64_t>(ratio / 100 * static_cast<double>(fp32)));
    if (!best.ok()) {
      std::printf("%.2f %%: %s\n", ratio, std::string(Message(best.status())).c_str());
      continue;
    }
    ASSIGN_OR_RETURN(ShardInfo file, scene->bank->Write(best->types, model.tied_head, path));
    RETURN_IF_ERROR(scene->bank->WriteToRun(best->types, model.tied_head, path).status());
    RETURN_IF_ERROR(report(fmt::format("{:g} %", ratio), file));
    if (!args.distil) continue;
    ASSIGN_OR_RETURN(file, Distilled(*scene, args, calibration, best->types, path));
    RETURN_IF_ERROR(report(fmt::format("{:g} % dist", ratio), file));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  dilemma::Arguments args;
  CLI::App app("Loss and F1 of SQuAD answers against the size of the model");
  dilemma::AddTableOptions(app, args.table);
  app.add_option("--ratios", args.ratios, "per cent of the model in 32-bit floats")->delimiter(',');
  app.add_option("--questions", args.squad.limit, "about so many; 0: all");
  app.add_option("--shots", args.squad.shots)->check(CLI::Range(0, 1));
  app.add_flag("--distil", args.distil, "also the same types, distilled");
  app.add_flag("--passages", args.passages, "distil on passages alone, not with their questions and answers");
  app.add_option("--calibration", args.calibration, "windows to distil on")->check(CLI::Range(4, 4096));
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = dilemma::Run(args);
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", std::string(dilemma::Message(status)).c_str());
  return dilemma::ExitCode(status);
}
