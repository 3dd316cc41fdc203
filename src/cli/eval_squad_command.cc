#include "base/table.h"
#include "cli/eval_models.h"
#include "evaluation/squad.h"
#include "evaluation/text.h"

namespace dilemma::cli {
namespace {

struct SquadCommand {
  EvalSources sources;
  SquadOptions squad;
  std::string data, part = "all", predictions, prompt = "auto";
};

absl::Status WritePredictions(const std::string& path, std::span<const SquadAnswer> answers) {
  Json json = Json::object();
  for (const SquadAnswer& answer : answers) json[answer.id] = answer.prediction;
  return WriteJson(path, json);
}

absl::StatusOr<std::vector<SquadAnswer>> RunSquad(const SquadCommand& options, const Contender& contender,
                                                  const std::vector<SquadArticle>& articles) {
  constexpr int kTogether = 8;
  const Tokenizer& tokenizer = *contender.tokenizer;
  ASSIGN_OR_RETURN(const auto tasks, MakeSquadTasks(articles, tokenizer, options.squad));
  OpenOptions open;
  open.context = ContextNeeded(tasks);
  open.queries = kTogether;
  open.end_tokens = AnswerEndTokens(tokenizer, options.squad.prompt);
  ASSIGN_OR_RETURN(const auto model, OpenContender(contender, options.sources, open));
  ProgressLine line(contender.name);
  return AnswerSquad(*model, tokenizer, tasks, ShowProgress(line, "question"));
}

void PrintSquad(const Program& program, const SquadCommand& options, const std::vector<Contender>& contenders,
                const std::vector<std::vector<SquadAnswer>>& answers) {
  Json models = Json::array();
  Table table({"model", ">file bytes", ">exact match", ">F1", ">loss (nats a token)", ">F1 against first",
               ">loss against first"});
  for (size_t i = 0; i < contenders.size(); ++i) {
    const SquadSummary summary = Summarize(answers[i]);
    Json json = ToJson(contenders[i]);
    json["exact_match"] = ToJson(summary.exact_match);
    json["f1"] = ToJson(summary.f1);
    json["loss"] = ToJson(summary.loss);
    json["prompt"] = Name(PromptFor(options.squad.prompt, *contenders[i].tokenizer));
    std::string f1, loss;
    if (i > 0) {
      const auto change = CompareAnswers(answers[0], answers[i]);
      if (change.ok()) {
        json["exact_match_change"] = ToJson(change->exact_match);
        json["f1_change"] = ToJson(change->f1);
        json["loss_ratio"] = ToJson(change->loss_ratio);
        f1 = Interval(change->f1, 2);
        loss = Interval(change->loss_ratio, 4);
      }
    }
    models.push_back(std::move(json));
    table.Add({contenders[i].name, Megabytes(contenders[i].summary.file_bytes),
               Interval(summary.exact_match, 1), Interval(summary.f1, 1), Interval(summary.loss, 3), f1,
               loss});
  }
  if (program.json) {
    PrintJson({{"data", options.data},
               {"part", options.part},
               {"shots", options.squad.shots},
               {"questions", answers[0].size()},
               {"models", std::move(models)}});
  } else {
    Print(fmt::format("SQuAD v1.1: {} questions of {} ({}), {}-shot, {} prompt, greedy; intervals are 95 %, "
                      "by bootstrap over "
                      "paragraphs\n",
                      answers[0].size(), options.data, options.part, options.squad.shots,
                      Name(PromptFor(options.squad.prompt, *contenders[0].tokenizer))) +
          table.ToString());
  }
}

absl::Status Squad(const Program& program, const SquadCommand& given) {
  SquadCommand options = given;
  ASSIGN_OR_RETURN(options.squad.prompt, ParseSquadPrompt(options.prompt));
  if (!options.predictions.empty() && options.sources.models.size() + !options.sources.plan.empty() > 1) {
    return InvalidArgument("--predictions holds the answers of one model; {} were named",
                           options.sources.models.size() + !options.sources.plan.empty());
  }
  ASSIGN_OR_RETURN(const Part part, ParsePart(options.part));
  ASSIGN_OR_RETURN(std::vector<SquadArticle> articles, ReadSquad(options.data));
  ASSIGN_OR_RETURN(articles, SelectPart(std::move(articles), part));
  ASSIGN_OR_RETURN(const auto contenders, FindContenders(options.sources));
  std::vector<std::vector<SquadAnswer>> answers;
  for (const Contender& contender : contenders) {
    auto answered = RunSquad(options, contender, articles);
    if (!answered.ok()) return Annotate(answered.status(), contender.name);
    answers.push_back(*std::move(answered));
  }
  if (!options.predictions.empty()) RETURN_IF_ERROR(WritePredictions(options.predictions, answers[0]));
  PrintSquad(program, options, contenders, answers);
  return absl::OkStatus();
}

}  // namespace

void AddEvalSquad(Program& program, CLI::App* parent) {
  auto options = std::make_shared<SquadCommand>();
  CLI::App* command = AddCommand(
      program, "squad", "Answer SQuAD v1.1: exact match, F1, and how likely the gold answers are",
      "dilemma eval squad teacher.gguf student.gguf --data dev-v1.1.json --part test --limit 500",
      [&program, options] { return Squad(program, *options); }, parent);
  command->add_option("models", options->sources.models,
                      "GGUF files; the first is what others are compared with");
  command->add_option("--data", options->data, "A SQuAD v1.1 file (JSON)")->required();
  AddPart(command, options->part);
  command
      ->add_option("--prompt", options->prompt,
                   "line: the answer ends with the line; quoted: in quotation marks that the prompt opens; "
                   "auto: quoted "
                   "for models with a chat template")
      ->check(CLI::IsMember({"auto", "line", "quoted"}))
      ->capture_default_str();
  command->add_option("--shots", options->squad.shots, "Answered questions shown before")
      ->check(CLI::Range(0, 1))
      ->capture_default_str();
  command
      ->add_option("--limit", options->squad.limit,
                   "About so many questions, of paragraphs spread over the articles; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->capture_default_str();
  command->add_option("--max-tokens", options->squad.max_answer_tokens, "Length of an answer at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 12))
      ->capture_default_str();
  command->add_option("--predictions", options->predictions,
                      "Also write the answers to this file (JSON, as the official script reads them)");
  AddEvalSources(command, options->sources);
}

}  // namespace dilemma::cli
