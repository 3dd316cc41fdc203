#include "reproduction/quality_rows.h"

#include <algorithm>

#include "base/file.h"
#include "base/status.h"
#include "distill/distill.h"
#include "engine/tokenizer.h"
#include "evaluation/gguf_model.h"
#include "evaluation/squad.h"
#include "evaluation/text.h"
#include "quantizer/shard_writer.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr int kTogether = 8;  // questions in one batch

Json ToJson(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"low", estimate.low}, {"high", estimate.high}};
}

Json TypesJson(std::span<const TypeMix> types) {
  Json json = Json::array();
  for (const TypeMix& mix : types) json.push_back(mix.ToString());
  return json;
}

// What is asked, and what students are calibrated with.
struct Material {
  std::string squad_sha256;
  std::vector<SquadArticle> articles;  // to ask about; `tasks` refers to them
  std::vector<Document> calibration;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<SquadTask> tasks;
};

absl::StatusOr<Material> Gather(const ModelInfo& model, const QuestionOptions& options) {
  const auto held_out = [&options](const std::string& title) {
    return options.held_out.empty() ? PartOf(title) == Part::kTest : options.held_out.contains(title);
  };
  Material out;
  ASSIGN_OR_RETURN(out.squad_sha256, Sha256OfFile(options.squad));
  ASSIGN_OR_RETURN(std::vector<SquadArticle> all, ReadSquad(options.squad));
  ASSIGN_OR_RETURN(out.tokenizer, Tokenizer::Load(model.path));
  std::vector<SquadArticle> others;
  for (SquadArticle& article : all)
    (held_out(article.title) ? out.articles : others).push_back(std::move(article));
  out.calibration = AnsweredText(others, PromptFor(SquadPrompt::kAuto, *out.tokenizer));
  if (out.articles.empty() || out.calibration.empty())
    return InvalidArgument("{}: has {} articles to ask about and {} to calibrate with; both are needed",
                           options.squad.string(), out.articles.size(), out.calibration.size());
  SquadOptions squad;
  squad.limit = options.questions;
  ASSIGN_OR_RETURN(out.tasks, MakeSquadTasks(out.articles, *out.tokenizer, squad));
  if (const int64_t needed = ContextNeeded(out.tasks); needed > model.n_ctx_train)
    return InvalidArgument("the longest passage takes {} tokens, model '{}' has {} positions", needed,
                           model.name, model.n_ctx_train);
  return out;
}

class Examination {
 public:
  Examination(const ModelInfo& model, const std::string& sha256, const Material& material,
              const QuestionOptions& options, const Pieces& pieces, const StudyControl& control)
      : model_(model),
        sha256_(sha256),
        material_(material),
        options_(options),
        pieces_(pieces),
        control_(control) {}

  absl::StatusOr<Json> Rows(std::span<const Variant> variants);

 private:
  // Progress of variant `index`; parts of one: writing 0 to 0.4, asking 0.4 to 1.
  bool Report(double done, std::string_view what) const {
    return !control_.progress ||
           control_.progress((static_cast<double>(index_) + done) / static_cast<double>(count_), what);
  }
  absl::StatusOr<Json> Ask(const Variant& variant);
  absl::StatusOr<fs::path> Write(const Variant& variant, const fs::path& path) const;
  absl::StatusOr<std::vector<SquadAnswer>> Answer(const fs::path& path, const std::string& label) const;

  const ModelInfo& model_;
  const std::string& sha256_;
  const Material& material_;
  const QuestionOptions& options_;
  const Pieces& pieces_;
  const StudyControl& control_;
  size_t index_ = 0, count_ = 1;
};

absl::StatusOr<fs::path> Examination::Write(const Variant& variant, const fs::path& path) const {
  if (variant.types.empty()) return fs::path(model_.path);
  if (!variant.distil) {
    RETURN_IF_ERROR(WriteWhole(model_, variant.types, path, [&](int done, int total) {
                      return Report(0.4 * done / total, variant.label + ": quantizing");
                    }).status());
    return path;
  }
  const int64_t window = std::min(options_.window, model_.n_ctx_train);
  ASSIGN_OR_RETURN(const auto windows, MakeWindows(material_.calibration, *material_.tokenizer,
                                                   {.window = window, .count = options_.windows, .seed = 1}));
  DistillOptions distill;
  distill.threads = options_.threads;
  distill.work_dir = pieces_.folder() / "distilling";
  RETURN_IF_ERROR(Distill(model_, variant.types, windows, distill, path, [&](const DistillEvent& event) {
                    return Report(0.4 * event.done / event.total,
                                  fmt::format("{}: {}", variant.label, event.unit));
                  }).status());
  std::error_code ignored;
  fs::remove_all(distill.work_dir, ignored);
  return path;
}

absl::StatusOr<std::vector<SquadAnswer>> Examination::Answer(const fs::path& path,
                                                             const std::string& label) const {
  GgufModelOptions open;
  open.context = ContextNeeded(material_.tasks);
  open.queries = kTogether;
  open.threads = options_.threads;
  open.end_tokens = AnswerEndTokens(*material_.tokenizer);
  ASSIGN_OR_RETURN(const auto model, LoadGgufModel(path, open));
  return AnswerSquad(*model, *material_.tokenizer, material_.tasks, [&](int64_t done, int64_t total) {
    return Report(0.4 + 0.6 * static_cast<double>(done) / static_cast<double>(total),
                  fmt::format("{}: {} of {} questions", label, done, total));
  });
}

absl::StatusOr<Json> Examination::Ask(const Variant& variant) {
  const fs::path written = pieces_.folder() / (variant.name + ".gguf");
  ASSIGN_OR_RETURN(const fs::path path, Write(variant, written));
  const auto answers = Answer(path, variant.label);
  if (path == written) {
    std::error_code ignored;
    fs::remove(written, ignored);
  }
  RETURN_IF_ERROR(answers.status());
  Json json = Json::array();
  for (const SquadAnswer& a : *answers)
    json.push_back({a.id, a.prediction, a.paragraph, a.exact_match, a.f1, a.gold_nll, a.gold_tokens});
  return json;
}

absl::StatusOr<std::vector<SquadAnswer>> AnswersFromJson(const Json& json) {
  std::vector<SquadAnswer> answers;
  for (const Json& row : json) {
    if (!row.is_array() || row.size() != 7)
      return Internal("a kept piece has another form: remove the work folder");
    answers.push_back({row[0].get<std::string>(), row[1].get<std::string>(), row[2].get<int64_t>(),
                       row[3].get<double>(), row[4].get<double>(), row[5].get<double>(),
                       row[6].get<double>()});
  }
  return answers;
}

// Bytes of all units at the variant's types; embedding and head count apart, as shards hold them.
absl::StatusOr<int64_t> BytesOf(const ModelInfo& model, const Variant& variant) {
  int64_t bytes = 0;
  for (size_t u = 0; u < model.units.size(); ++u) {
    if (variant.types.empty()) {
      for (const TensorInfo& tensor : model.units[u].tensors) bytes += tensor.bytes;
      continue;
    }
    ASSIGN_OR_RETURN(const int64_t unit, UnitBytes(model.units[u], variant.types[u]));
    bytes += unit;
  }
  return bytes;
}

absl::StatusOr<Json> Examination::Rows(std::span<const Variant> variants) {
  count_ = variants.size();
  Json rows = Json::array();
  std::vector<SquadAnswer> teacher;
  const Variant f32 = {"f32", "", std::vector<TypeMix>(model_.units.size(), *TypeMix::Parse("f32")), false};
  ASSIGN_OR_RETURN(const int64_t whole, BytesOf(model_, f32));
  for (index_ = 0; index_ < count_; ++index_) {
    const Variant& variant = variants[index_];
    if (!Report(0, variant.label)) return absl::CancelledError("interrupted");
    Json inputs = {{"model", sha256_},
                   {"squad", material_.squad_sha256},
                   {"held_out", options_.held_out},
                   {"questions", options_.questions},
                   {"types", TypesJson(variant.types)}};
    if (variant.distil) inputs["distil"] = {"answered text", options_.windows, options_.window};
    ASSIGN_OR_RETURN(const Json piece, pieces_.Get("answers", inputs, [&] { return Ask(variant); }));
    ASSIGN_OR_RETURN(std::vector<SquadAnswer> answers, AnswersFromJson(piece));
    const SquadSummary summary = Summarize(answers);
    ASSIGN_OR_RETURN(const int64_t bytes, BytesOf(model_, variant));
    Json row = {{"name", variant.name},
                {"label", variant.label},
                {"weight_bytes", bytes},
                {"ratio", static_cast<double>(bytes) / static_cast<double>(whole)},
                {"exact_match", ToJson(summary.exact_match)},
                {"f1", ToJson(summary.f1)},
                {"loss", ToJson(summary.loss)},
                {"loss_ratio", nullptr},
                {"f1_change", nullptr}};
    if (teacher.empty()) {
      teacher = std::move(answers);
    } else {
      ASSIGN_OR_RETURN(const SquadChange change, CompareAnswers(teacher, answers));
      row["loss_ratio"] = ToJson(change.loss_ratio);
      row["f1_change"] = ToJson(change.f1);
    }
    rows.push_back(std::move(row));
  }
  Json titles = Json::array();
  for (const SquadArticle& article : material_.articles) titles.push_back(article.title);
  return Json{{"questions", teacher.size()}, {"articles", std::move(titles)}, {"rows", std::move(rows)}};
}

}  // namespace

absl::Status CheckQuestions(const ModelInfo& model, const QuestionOptions& options) {
  return Gather(model, options).status();
}

absl::StatusOr<Json> AskQuestions(const ModelInfo& model, const std::string& model_sha256,
                                  std::span<const Variant> variants, const QuestionOptions& options,
                                  const Pieces& pieces, const StudyControl& control) {
  ASSIGN_OR_RETURN(const Material material, Gather(model, options));
  return Examination(model, model_sha256, material, options, pieces, control).Rows(variants);
}

}  // namespace dilemma
