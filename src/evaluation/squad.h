// Question answering on SQuAD v1.1: a fixed prompt, greedy answers scored by exact match and F1, and how
// likely the model finds the gold answers ("loss").
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer.h"
#include "evaluation/estimate.h"
#include "evaluation/kl.h"
#include "evaluation/language_model.h"
#include "evaluation/squad_file.h"
#include "evaluation/text.h"

namespace dilemma {

// How a model is asked (docs/quality.md has both texts). kLine: "Answer:", and the answer ends with the line,
// as models without a chat template go on. kQuoted: the answer is in quotation marks that the prompt opens;
// models tuned to chat answer in whole sentences, or with an empty line, unless they are held to a phrase
// that way. kAuto: kQuoted where the model has a chat template.
enum class SquadPrompt { kAuto, kLine, kQuoted };
std::string_view Name(SquadPrompt prompt);
absl::StatusOr<SquadPrompt> ParseSquadPrompt(std::string_view text);    // "auto", "line", "quoted"
SquadPrompt PromptFor(SquadPrompt prompt, const Tokenizer& tokenizer);  // never kAuto

struct SquadOptions {
  SquadPrompt prompt = SquadPrompt::kAuto;
  int shots = 0;  // 0 or 1: answered questions that are shown before
  int64_t max_answer_tokens = 24;
  int64_t limit = 0;  // about so many questions, of paragraphs spread evenly over the articles; 0: all
};

// The questions of one paragraph, tokenized.
struct SquadTask {
  std::vector<int32_t> shared;  // instruction, example, paragraph
  std::vector<Query> queries;   // one a question; candidates are its distinct gold answers
  std::vector<const SquadQuestion*> questions;
};

struct SquadAnswer {
  std::string id, prediction;
  int64_t paragraph = 0;  // the task it belongs to
  double exact_match = 0, f1 = 0;
  double gold_nll = 0;     // nats, over all tokens of the distinct gold answers
  double gold_tokens = 0;  // how many those are
};

struct SquadSummary {
  Estimate exact_match, f1;  // per cent, as the official script prints them
  Estimate loss;             // nats per token of the gold answers
};

// Tokens that end an answer: the model's own, and every one with a line's end in it, or a quotation mark
// where the prompt opens one.
std::vector<int32_t> AnswerEndTokens(const Tokenizer& tokenizer, SquadPrompt prompt = SquadPrompt::kAuto);

// `articles` must outlive the result. kInvalidArgument where no question is left.
absl::StatusOr<std::vector<SquadTask>> MakeSquadTasks(const std::vector<SquadArticle>& articles,
                                                      const Tokenizer& tokenizer,
                                                      const SquadOptions& options);

// Text such as questions are asked in, to calibrate with: a document an article, with every passage in the
// prompt and all its questions one after another, each followed by the first of its gold answers. `prompt`:
// kLine or kQuoted. Passages without a question are left out, and so are articles without any.
std::vector<Document> AnsweredText(const std::vector<SquadArticle>& articles, SquadPrompt prompt);

// The context that the longest task takes, in tokens, answers included.
int64_t ContextNeeded(std::span<const SquadTask> tasks);

// Answers in the order of the tasks. The model must end generations at AnswerEndTokens. Progress counts
// questions.
absl::StatusOr<std::vector<SquadAnswer>> AnswerSquad(LanguageModel& model, const Tokenizer& tokenizer,
                                                     std::span<const SquadTask> tasks,
                                                     const EvaluationProgress& progress = nullptr);

// Intervals are over paragraphs: questions on one text are not independent.
SquadSummary Summarize(std::span<const SquadAnswer> answers);

// What a model gains or loses against another on the same questions.
struct SquadChange {
  Estimate exact_match, f1;  // points: other - first
  Estimate loss_ratio;       // other / first
};
// kInvalidArgument where the answers are to other questions, or gold answers have other tokens.
absl::StatusOr<SquadChange> CompareAnswers(std::span<const SquadAnswer> first,
                                           std::span<const SquadAnswer> other);

}  // namespace dilemma
