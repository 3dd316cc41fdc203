#include "base/file.h"
#include "base/status.h"
#include "cli/eval_models.h"
#include "evaluation/squad.h"

namespace dilemma::cli {
namespace {

struct TextCommand {
  std::string text, part = "calibration", questions, out;
};

absl::StatusOr<std::vector<Document>> TextOf(const TextCommand& options) {
  if (options.questions.empty()) return ReadPart(options.text, options.part);
  ASSIGN_OR_RETURN(const Part part, ParsePart(options.part));
  ASSIGN_OR_RETURN(const SquadPrompt prompt, ParseSquadPrompt(options.questions));
  ASSIGN_OR_RETURN(std::vector<SquadArticle> articles, ReadSquad(options.text));
  ASSIGN_OR_RETURN(articles, SelectPart(std::move(articles), part));
  std::vector<Document> documents = AnsweredText(articles, prompt);
  if (documents.empty()) return InvalidArgument("{}: its {} part has no questions", options.text, Name(part));
  return documents;
}

absl::Status WriteText(const Program& program, const TextCommand& options) {
  ASSIGN_OR_RETURN(const auto documents, TextOf(options));
  std::string all;
  for (const Document& document : documents) all += document.text + "\n";
  if (!options.out.empty()) {
    RETURN_IF_ERROR(WriteFileAtomically(options.out, all));
  } else if (!program.json) {
    Print(all);
  }
  if (program.json) {
    Json titles = Json::array();
    for (const Document& document : documents) titles.push_back(document.title);
    PrintJson({{"text", options.text}, {"part", options.part}, {"bytes", all.size()}, {"documents", titles}});
  }
  return absl::OkStatus();
}

void AddText(Program& program, CLI::App* parent) {
  auto options = std::make_shared<TextCommand>();
  CLI::App* command = AddCommand(
      program, "text", "Write the text of one part, to calibrate other programs with",
      "dilemma eval text dev-v1.1.json --part calibration --out calibration.txt",
      [&program, options] { return WriteText(program, *options); }, parent);
  command->add_option("text", options->text, "As --text of the other commands")->required();
  AddPart(command, options->part);
  command
      ->add_option(
          "--questions", options->questions,
          "Of a SQuAD file, passages in this prompt of `eval squad` with their questions and answers "
          "(quoted for models with a chat template): to calibrate models that are to answer")
      ->check(CLI::IsMember({"line", "quoted"}));
  command->add_option("--out,-o", options->out, "File to write (default: standard output)");
}

}  // namespace

void AddEval(Program& program) {
  CLI::App* eval =
      program.app.add_subcommand("eval", "Measure models: answers, perplexity, distance to a teacher");
  eval->require_subcommand(1);
  eval->footer(
      "Examples:\n  dilemma eval squad model.gguf --data dev-v1.1.json\n"
      "  dilemma eval kl teacher.gguf student.gguf --text dev-v1.1.json --part test\n"
      "  dilemma eval perplexity --plan plan.json --cluster cluster.toml --text book.txt");
  AddEvalSquad(program, eval);
  AddEvalPerplexity(program, eval);
  AddEvalKl(program, eval);
  AddText(program, eval);
}

}  // namespace dilemma::cli
