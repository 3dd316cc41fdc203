#include "base/table.h"
#include "cli/eval_models.h"
#include "evaluation/kl.h"
#include "evaluation/text.h"

namespace dilemma::cli {
namespace {

struct TextOptions {
  std::string text, part = "all";
  WindowOptions windows;
};

void AddTextOptions(CLI::App* command, TextOptions& options) {
  command
      ->add_option("--text", options.text,
                   "A text file, a folder of *.txt files, or a SQuAD v1.1 file (*.json; its contexts)")
      ->required();
  AddPart(command, options.part);
  command->add_option("--windows", options.windows.count, "Windows of text at most; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->capture_default_str();
  command->add_option("--window", options.windows.window, "Tokens in a window")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 20))
      ->capture_default_str();
  command
      ->add_option("--seed", options.windows.seed,
                   "0: windows spread evenly over the text; otherwise drawn at random")
      ->capture_default_str();
}

Json TextJson(const TextOptions& options, size_t windows) {
  return {{"text", options.text},
          {"part", options.part},
          {"windows", windows},
          {"window", options.windows.window},
          {"seed", options.windows.seed}};
}

std::string TextLine(const TextOptions& options, size_t windows) {
  return fmt::format("{} windows of {} tokens of {} ({}); intervals are 95 %, by bootstrap over windows\n",
                     windows, options.windows.window, options.text, options.part);
}

struct PerplexityCommand {
  EvalSources sources;
  TextOptions text;
};

absl::Status RunPerplexity(const Program& program, const PerplexityCommand& options) {
  ASSIGN_OR_RETURN(const auto documents, ReadPart(options.text.text, options.text.part));
  ASSIGN_OR_RETURN(const auto contenders, FindContenders(options.sources));
  Json models = Json::array();
  Table table({"model", ">file bytes", "types", ">perplexity"});
  size_t count = 0;
  for (const Contender& contender : contenders) {
    ASSIGN_OR_RETURN(const auto windows, MakeWindows(documents, *contender.tokenizer, options.text.windows));
    count = windows.size();
    ASSIGN_OR_RETURN(const auto model,
                     OpenContender(contender, options.sources,
                                   {.context = options.text.windows.window, .end_tokens = {}}));
    ProgressLine line(contender.name);
    const auto scores = ScoreText(*model, windows, ShowProgress(line, "window"));
    if (!scores.ok()) return Annotate(scores.status(), contender.name);
    line.Finish();
    Json json = ToJson(contender);
    json["perplexity"] = ToJson(Perplexity(*scores));
    models.push_back(std::move(json));
    table.Add({contender.name, Megabytes(contender.summary.file_bytes), contender.summary.types,
               Interval(Perplexity(*scores), 2)});
  }
  if (program.json) {
    Json json = TextJson(options.text, count);
    json["models"] = std::move(models);
    PrintJson(json);
  } else {
    Print(TextLine(options.text, count) + table.ToString());
  }
  return absl::OkStatus();
}

struct KlCommand {
  std::string teacher;
  EvalSources sources;
  TextOptions text;
};

Json StudentJson(const std::vector<Contender>& all, const std::vector<WindowScores>& scores, size_t i) {
  Json json = ToJson(all[i]);
  json["kl"] = ToJson(MeanEstimate(scores[i].kl));
  json["same_top"] = ToJson(MeanEstimate(scores[i].same));
  json["perplexity"] = ToJson(Perplexity(scores[i]));
  Json ratios = Json::object();
  for (size_t j = 1; j < all.size(); ++j) {
    if (j != i) ratios[all[j].name] = ToJson(RatioEstimate(scores[i].kl, scores[j].kl));
  }
  json["kl_ratio_to"] = std::move(ratios);
  json["window_kl"] = scores[i].kl;
  return json;
}

void PrintKl(const Program& program, const KlCommand& options, const std::vector<Contender>& all,
             const std::vector<WindowScores>& scores) {
  const size_t windows = scores[0].nll.size();
  if (program.json) {
    Json json = TextJson(options.text, windows);
    json["teacher"] = ToJson(all[0]);
    json["teacher"]["perplexity"] = ToJson(Perplexity(scores[0]));
    json["students"] = Json::array();
    for (size_t i = 1; i < all.size(); ++i) json["students"].push_back(StudentJson(all, scores, i));
    PrintJson(json);
    return;
  }
  Table table({"model", ">file bytes", "types", ">mean KL (nats)", ">against first", ">same top token",
               ">perplexity"});
  table.Add({all[0].name + " (teacher)", Megabytes(all[0].summary.file_bytes), all[0].summary.types, "", "",
             "", Interval(Perplexity(scores[0]), 2)});
  for (size_t i = 1; i < all.size(); ++i) {
    table.Add({all[i].name, Megabytes(all[i].summary.file_bytes), all[i].summary.types,
               Interval(MeanEstimate(scores[i].kl), 4),
               i > 1 ? Interval(RatioEstimate(scores[i].kl, scores[1].kl), 3) : "",
               fmt::format("{:.1f} %", 100 * MeanEstimate(scores[i].same).mean),
               Interval(Perplexity(scores[i]), 2)});
  }
  Print("KL(teacher || student) over all positions; " + TextLine(options.text, windows) + table.ToString());
}

absl::Status RunKl(const Program& program, const KlCommand& options) {
  if (options.sources.models.empty() && options.sources.plan.empty()) {
    return InvalidArgument("no student to compare with the teacher: name further GGUF files, or a --plan");
  }
  ASSIGN_OR_RETURN(const auto documents, ReadPart(options.text.text, options.text.part));
  EvalSources sources = options.sources;
  sources.models.insert(sources.models.begin(), options.teacher);
  ASSIGN_OR_RETURN(const auto all, FindContenders(sources));
  ASSIGN_OR_RETURN(const auto windows, MakeWindows(documents, *all[0].tokenizer, options.text.windows));
  std::vector<std::unique_ptr<LanguageModel>> models;
  std::vector<LanguageModel*> students;
  for (const Contender& contender : all) {
    ASSIGN_OR_RETURN(auto model, OpenContender(contender, sources,
                                               {.context = options.text.windows.window, .end_tokens = {}}));
    models.push_back(std::move(model));
    if (models.size() > 1) students.push_back(models.back().get());
  }
  ProgressLine line("comparing");
  ASSIGN_OR_RETURN(const auto scores,
                   CompareModels(*models[0], students, windows, ShowProgress(line, "pass")));
  line.Finish();
  PrintKl(program, options, all, scores);
  return absl::OkStatus();
}

}  // namespace

void AddEvalPerplexity(Program& program, CLI::App* parent) {
  auto options = std::make_shared<PerplexityCommand>();
  CLI::App* command = AddCommand(
      program, "perplexity", "How well models foresee a text, every position of every window counted",
      "dilemma eval perplexity model.gguf --text book.txt",
      [&program, options] { return RunPerplexity(program, *options); }, parent);
  command->add_option("models", options->sources.models, "GGUF files");
  AddTextOptions(command, options->text);
  AddEvalSources(command, options->sources);
}

void AddEvalKl(Program& program, CLI::App* parent) {
  auto options = std::make_shared<KlCommand>();
  CLI::App* command = AddCommand(
      program, "kl", "How far students' next-token distributions are from their teacher's",
      "dilemma eval kl teacher.gguf student-a.gguf student-b.gguf --text dev-v1.1.json --part test",
      [&program, options] { return RunKl(program, *options); }, parent);
  command->add_option("teacher", options->teacher, "The GGUF file to compare with")->required();
  command->add_option("students", options->sources.models, "GGUF files");
  AddTextOptions(command, options->text);
  AddEvalSources(command, options->sources);
}

}  // namespace dilemma::cli
