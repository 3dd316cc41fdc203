#include "evaluation/squad.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/interrupt.h"
#include "base/status.h"
#include "evaluation/squad_score.h"

namespace dilemma {
namespace {

constexpr std::string_view kInstruction =
    "Answer each question with a few words copied from the passage.\n\n";
// Made for these prompts; it is in no data set.
constexpr std::string_view kExamplePassage =
    "The lighthouse at Cape Morrow was built in 1871 by the engineer Anna Lindqvist. Its lamp, which first "
    "burned whale oil, was changed to electric light in 1924 and can be seen from 30 kilometres away.";
constexpr std::string_view kExampleQuestion = "Who built the lighthouse?", kExampleAnswer = "Anna Lindqvist";

std::string QuestionText(std::string_view question, SquadPrompt prompt) {
  const std::string_view stripped = View(absl::StripAsciiWhitespace(View(question)));
  return prompt == SquadPrompt::kQuoted
             ? fmt::format("\n\nQuestion: {}\nAnswer (a few words from the passage): \"", stripped)
             : fmt::format("\nQuestion: {}\nAnswer:", stripped);
}

// What follows it where the answer is shown.
std::string AnswerText(std::string_view answer, SquadPrompt prompt) {
  return prompt == SquadPrompt::kQuoted ? fmt::format("{}\"", answer) : fmt::format(" {}", answer);
}

std::string SharedText(std::string_view context, int shots, SquadPrompt prompt) {
  if (shots == 0) return fmt::format("{}Passage: {}", kInstruction, context);
  return fmt::format("{}Passage: {}{}{}\n\nPassage: {}", kInstruction, kExamplePassage,
                     QuestionText(kExampleQuestion, prompt), AnswerText(kExampleAnswer, prompt), context);
}

// The tokens of `text` where it follows `left`: a tokenizer may treat a text's beginning in its own way.
std::vector<int32_t> EncodeAfter(const Tokenizer& tokenizer, std::string_view left, std::string_view text) {
  const std::vector<int32_t> before = tokenizer.Encode(left, false, false);
  const std::vector<int32_t> all = tokenizer.Encode(std::string(left).append(text), false, false);
  if (all.size() > before.size() && std::equal(before.begin(), before.end(), all.begin())) {
    return {all.begin() + static_cast<std::ptrdiff_t>(before.size()), all.end()};
  }
  return tokenizer.Encode(text, false, false);
}

absl::StatusOr<Query> MakeQuery(const SquadQuestion& question, const Tokenizer& tokenizer,
                                const SquadOptions& options) {
  Query query;
  const bool quoted = options.prompt == SquadPrompt::kQuoted;
  query.prompt = EncodeAfter(tokenizer, ".", QuestionText(question.question, options.prompt));
  query.max_tokens = options.max_answer_tokens;
  std::vector<std::string> answers = question.answers;
  std::sort(answers.begin(), answers.end());
  answers.erase(std::unique(answers.begin(), answers.end()), answers.end());
  for (const std::string& answer : answers) {
    query.candidates.push_back(quoted ? EncodeAfter(tokenizer, ": \"", answer)
                                      : EncodeAfter(tokenizer, "Answer:", " " + answer));
    if (query.candidates.back().empty()) {
      return InvalidArgument("question {}: the answer '{}' has no tokens", question.id, answer);
    }
  }
  return query;
}

// The paragraphs, spread evenly over all, that have about `limit` questions.
std::vector<const SquadParagraph*> ChooseParagraphs(const std::vector<SquadArticle>& articles,
                                                    int64_t limit) {
  std::vector<const SquadParagraph*> all, chosen;
  int64_t questions = 0;
  for (const SquadArticle& article : articles) {
    for (const SquadParagraph& paragraph : article.paragraphs) {
      if (paragraph.questions.empty()) continue;
      all.push_back(&paragraph);
      questions += std::ssize(paragraph.questions);
    }
  }
  if (limit == 0 || limit >= questions) return all;
  const int64_t n = std::ssize(all);
  const int64_t wanted = std::max<int64_t>(1, (n * limit + questions / 2) / questions);
  for (int64_t i = 0; i < wanted; ++i)
    chosen.push_back(all[static_cast<size_t>((2 * i + 1) * n / (2 * wanted))]);
  return chosen;
}

// Sums over the questions of each paragraph, for a bootstrap that draws paragraphs.
struct ParagraphSums {
  std::vector<double> questions, exact_match, f1, nll, tokens;
};

ParagraphSums SumByParagraph(std::span<const SquadAnswer> answers) {
  ParagraphSums sums;
  const SquadAnswer* last = nullptr;
  for (const SquadAnswer& answer : answers) {
    if (last == nullptr || last->paragraph != answer.paragraph) {
      for (auto* values : {&sums.questions, &sums.exact_match, &sums.f1, &sums.nll, &sums.tokens}) {
        values->push_back(0);
      }
    }
    last = &answer;
    sums.questions.back() += 1;
    sums.exact_match.back() += 100 * answer.exact_match;
    sums.f1.back() += 100 * answer.f1;
    sums.nll.back() += answer.gold_nll;
    sums.tokens.back() += answer.gold_tokens;
  }
  return sums;
}

std::vector<double> Minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference;
  for (size_t i = 0; i < a.size(); ++i) difference.push_back(a[i] - b[i]);
  return difference;
}

}  // namespace

std::string_view Name(SquadPrompt prompt) {
  return prompt == SquadPrompt::kAuto ? "auto" : prompt == SquadPrompt::kLine ? "line" : "quoted";
}

absl::StatusOr<SquadPrompt> ParseSquadPrompt(std::string_view text) {
  for (const SquadPrompt prompt : {SquadPrompt::kAuto, SquadPrompt::kLine, SquadPrompt::kQuoted})
    if (Name(prompt) == text) return prompt;
  return InvalidArgument("there is no prompt '{}': auto, line, quoted", text);
}

SquadPrompt PromptFor(SquadPrompt prompt, const Tokenizer& tokenizer) {
  if (prompt != SquadPrompt::kAuto) return prompt;
  return tokenizer.ApplyChatTemplate({{"user", "?"}}).ok() ? SquadPrompt::kQuoted : SquadPrompt::kLine;
}

std::vector<int32_t> AnswerEndTokens(const Tokenizer& tokenizer, SquadPrompt prompt) {
  const std::string_view marks = PromptFor(prompt, tokenizer) == SquadPrompt::kQuoted ? "\n\"" : "\n";
  std::vector<int32_t> tokens;
  for (int32_t token = 0; token < tokenizer.vocab_size(); ++token) {
    if (tokenizer.IsEndOfGeneration(token) ||
        tokenizer.Piece(token).find_first_of(marks) != std::string::npos) {
      tokens.push_back(token);
    }
  }
  return tokens;
}

absl::StatusOr<std::vector<SquadTask>> MakeSquadTasks(const std::vector<SquadArticle>& articles,
                                                      const Tokenizer& tokenizer, const SquadOptions& given) {
  SquadOptions options = given;
  options.prompt = PromptFor(given.prompt, tokenizer);
  if (options.shots < 0 || options.shots > 1 || options.max_answer_tokens < 1 || options.limit < 0) {
    return InvalidArgument("shots must be 0 or 1, the length of answers at least 1, the limit at least 0");
  }
  const std::vector<int32_t> start = TextStart(tokenizer);
  std::vector<SquadTask> tasks;
  for (const SquadParagraph* paragraph : ChooseParagraphs(articles, options.limit)) {
    SquadTask& task = tasks.emplace_back();
    task.shared = start;
    const auto text =
        tokenizer.Encode(SharedText(paragraph->context, options.shots, options.prompt), false, false);
    task.shared.insert(task.shared.end(), text.begin(), text.end());
    for (const SquadQuestion& question : paragraph->questions) {
      ASSIGN_OR_RETURN(Query query, MakeQuery(question, tokenizer, options));
      task.queries.push_back(std::move(query));
      task.questions.push_back(&question);
    }
  }
  if (tasks.empty()) return InvalidArgument("the data holds no questions");
  return tasks;
}

std::vector<Document> AnsweredText(const std::vector<SquadArticle>& articles, SquadPrompt prompt) {
  std::vector<Document> documents;
  for (const SquadArticle& article : articles) {
    Document document{article.title, ""};
    for (const SquadParagraph& paragraph : article.paragraphs) {
      if (paragraph.questions.empty()) continue;
      document.text += SharedText(paragraph.context, 0, prompt);
      for (const SquadQuestion& question : paragraph.questions) {
        document.text +=
            QuestionText(question.question, prompt) + AnswerText(question.answers.front(), prompt);
      }
      document.text += "\n\n";
    }
    if (!document.text.empty()) documents.push_back(std::move(document));
  }
  return documents;
}

int64_t ContextNeeded(std::span<const SquadTask> tasks) {
  size_t most = 0;
  for (const SquadTask& task : tasks) {
    for (const Query& query : task.queries) {
      auto answer = static_cast<size_t>(query.max_tokens);
      for (const auto& candidate : query.candidates) answer = std::max(answer, candidate.size());
      most = std::max(most, task.shared.size() + query.prompt.size() + answer);
    }
  }
  return static_cast<int64_t>(most);
}

absl::StatusOr<std::vector<SquadAnswer>> AnswerSquad(LanguageModel& model, const Tokenizer& tokenizer,
                                                     std::span<const SquadTask> tasks,
                                                     const EvaluationProgress& progress) {
  int64_t total = 0;
  for (const SquadTask& task : tasks) total += std::ssize(task.queries);
  std::vector<SquadAnswer> answers;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const SquadTask& task = tasks[t];
    if (Interrupted()) return InterruptedStatus();
    ASSIGN_OR_RETURN(const std::vector<Reply> replies, model.Ask(task.shared, task.queries));
    for (size_t q = 0; q < replies.size(); ++q) {
      const SquadQuestion& question = *task.questions[q];
      SquadAnswer answer;
      answer.id = question.id;
      answer.paragraph = static_cast<int64_t>(t);
      answer.prediction =
          std::string(View(absl::StripAsciiWhitespace(tokenizer.Decode(replies[q].generated))));
      const SquadScore score = ScoreAnswer(answer.prediction, question.answers);
      answer.exact_match = score.exact_match;
      answer.f1 = score.f1;
      for (const double nll : replies[q].candidate_nll) answer.gold_nll += nll;
      for (const auto& candidate : task.queries[q].candidates) {
        answer.gold_tokens += static_cast<double>(candidate.size());
      }
      answers.push_back(std::move(answer));
    }
    if (progress && !progress(std::ssize(answers), total)) return InterruptedStatus();
  }
  return answers;
}

SquadSummary Summarize(std::span<const SquadAnswer> answers) {
  const ParagraphSums sums = SumByParagraph(answers);
  return {RatioEstimate(sums.exact_match, sums.questions), RatioEstimate(sums.f1, sums.questions),
          RatioEstimate(sums.nll, sums.tokens)};
}

absl::StatusOr<SquadChange> CompareAnswers(std::span<const SquadAnswer> first,
                                           std::span<const SquadAnswer> other) {
  const bool same = std::equal(first.begin(), first.end(), other.begin(), other.end(),
                               [](const SquadAnswer& a, const SquadAnswer& b) {
                                 return a.id == b.id && a.gold_tokens == b.gold_tokens;
                               });
  if (!same) return InvalidArgument("the answers cannot be compared: questions or tokenizers differ");
  const ParagraphSums a = SumByParagraph(first), b = SumByParagraph(other);
  return SquadChange{RatioEstimate(Minus(b.exact_match, a.exact_match), a.questions),
                     RatioEstimate(Minus(b.f1, a.f1), a.questions), RatioEstimate(b.nll, a.nll)};
}

}  // namespace dilemma
