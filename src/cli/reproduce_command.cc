// The paper's study in one command: data, tables and a page.
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/steps.h"
#include "evaluation/squad_file.h"
#include "importer/import_opt.h"
#include "model/gguf_reader.h"
#include "report/page.h"
#include "reproduction/opt_shape.h"
#include "reproduction/reproduction.h"
#include "reproduction/study_json.h"

namespace dilemma::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model, squad, out = "reproduction";
  std::optional<int64_t> questions;
  double solver_limit_s = 30;
  int threads = 0;
  bool quick = false;
  StudyOptions study;
};

// Questions where nothing else was said; --quick asks none then.
constexpr int64_t kQuestions = 150;
int64_t Questions(const Options& options) {
  return options.questions.value_or(options.quick ? 0 : kQuestions);
}

// The stand-in where it is, else the small real model.
absl::StatusOr<fs::path> DefaultModel() {
  const fs::path candidates[] = {"models/opt-standin.gguf", CacheDir() / "models/opt-standin.gguf",
                                 CacheDir() / "models/SmolLM2-135M-Instruct.Q4_1.gguf"};
  for (const fs::path& path : candidates)
    if (fs::exists(path)) return path;
  return NotFound(
      "no model is at hand: give one with --model (a GGUF file, or a Hugging Face folder of OPT-350m), or "
      "fetch "
      "the small one with scripts/model.sh");
}

// The GGUF file: as given, or imported from a folder into `work`.
absl::StatusOr<fs::path> ModelFile(const std::string& given, const fs::path& work) {
  if (given.empty()) return DefaultModel();
  if (!fs::is_directory(given)) return fs::path(given);
  const fs::path file = work / (ModelName(given) + ".gguf");
  ProgressLine line("importing " + given);
  RETURN_IF_ERROR(ImportOpt(given, file,
                            {.progress =
                                 [&](int done, int total) {
                                   line.Update(static_cast<double>(done) / total,
                                               fmt::format("tensor {} of {}", done, total));
                                   return !Interrupted();
                                 }})
                      .status());
  return file;
}

// Titles that the model was not trained on, where a file beside it says so (experiments/train_standin.py).
absl::StatusOr<std::set<std::string>> HeldOutTitles(const fs::path& model) {
  fs::path notes = model;
  notes.replace_extension(".training.json");
  std::set<std::string> titles;
  if (!fs::exists(notes)) return titles;
  ASSIGN_OR_RETURN(const Json json, ReadJson(notes));
  ASSIGN_OR_RETURN(const auto items, JsonField(json, notes.string()).Items("held_out"));
  for (const JsonField& item : items) {
    ASSIGN_OR_RETURN(std::string title, item.String());
    titles.insert(std::move(title));
  }
  return titles;
}

// The data to ask from, read once so that what is wrong with it is said before anything else; no value where
// no questions are to be asked, and then why.
struct SquadData {
  std::optional<fs::path> path;
  std::string missing;
};
absl::StatusOr<SquadData> FindSquad(const Options& options) {
  const bool asked = Questions(options) > 0;
  SquadData data;
  if (!options.squad.empty()) data.path = options.squad;
  for (const char* at_hand : {"dev-v1.1.json", "../shared/data/squad-v1.1-dev-open.json"})
    if (asked && !data.path.has_value() && fs::exists(at_hand)) data.path = at_hand;
  if (data.path.has_value()) RETURN_IF_ERROR(ReadSquad(*data.path).status());
  if (!asked) {
    data.path.reset();
    data.missing =
        fmt::format("Questions were not asked for: --questions {} asks some, of the SQuAD v1.1 file --squad.",
                    kQuestions);
  } else if (!data.path.has_value()) {
    data.missing = "This part needs SQuAD v1.1: give its file (dev-v1.1.json) with --squad.";
  }
  return data;
}

absl::Status SetQuestions(const Options& options, SquadData data, const fs::path& model,
                          StudyOptions& study) {
  study.no_questions = std::move(data.missing);
  if (!data.path.has_value()) return absl::OkStatus();
  QuestionOptions questions;
  questions.squad = *std::move(data.path);
  questions.questions = Questions(options);
  questions.threads = options.threads;
  ASSIGN_OR_RETURN(questions.held_out, HeldOutTitles(model));
  study.questions = std::move(questions);
  return absl::OkStatus();
}

absl::StatusOr<StudyModel> ReadStudyModel(const fs::path& file) {
  StudyModel model;
  ASSIGN_OR_RETURN(model.file, ReadModel(file));
  ASSIGN_OR_RETURN(model.sha256, Sha256OfFile(file));
  ASSIGN_OR_RETURN(model.quality, LoadOrComputeQuality("", model.file, model.sha256, {}));
  model.stand_in = StandsInForOpt350m(model.file);
  model.planned = model.stand_in ? WithOpt350mDimensions(model.file) : model.file;
  if (model.stand_in) model.planned.name = "OPT-350m's dimensions, " + model.file.name + "'s losses";
  ASSIGN_OR_RETURN(model.quality, WithSizesOf(model.planned, std::move(model.quality)));
  return model;
}

void MakeQuick(StudyOptions& study) {
  study.link_mbps = {5, 50, 500};
  study.cpu_factors = {0.5, 1, 2};
  study.trade_off_points = 3;
  study.solver_time.tiny = true;
  if (study.questions.has_value()) study.questions->windows = 4;
}

std::string Cell(const Json& point) {
  if (point["request_s"].is_null()) return "-";
  const std::string over = point["within_budget"].get<bool>() ? "" : " *";
  return FormatDuration(point["request_s"].get<double>()) + over;
}

// Rows: values of the axis; columns: methods.
std::string CompletionTable(const Json& study, const char* axis, const std::string& title) {
  std::vector<std::string> headers = {title};
  for (const Json& method : study["methods"]) headers.push_back(">" + method["label"].get<std::string>());
  Table table(headers);
  std::vector<std::string> row;
  for (const Json& point : study["completion"][axis]["points"]) {
    if (row.empty()) row.push_back(fmt::format("{:g}", point["at"].get<double>()));
    row.push_back(Cell(point));
    if (row.size() == headers.size()) table.Add(std::exchange(row, {}));
  }
  return table.ToString();
}

std::string SolverTable(const Json& study) {
  Table table({"problem", ">ours", "", ">CBC on the paper's formulation", ""});
  const auto verdict = [](const Json& run) {
    if (run["status"] == "optimal") return std::string("proven");
    return run["gap"].is_null() ? std::string("no plan found")
                                : fmt::format("{:.0f} % gap left", 100 * run["gap"].get<double>());
  };
  for (const Json& c : study["solver_time"]["cases"])
    table.Add({c["name"], FormatDuration(c["ours"]["seconds"]), verdict(c["ours"]),
               FormatDuration(c["cbc"]["seconds"]), verdict(c["cbc"])});
  return table.ToString();
}

std::string QualityRows(const Json& study) {
  const Json& quality = study["quality"];
  if (quality.contains("missing")) return quality["missing"].get<std::string>() + "\n";
  Table table({"model", ">size / F32", ">exact match", ">F1", ">loss", ">loss against teacher"});
  for (const Json& row : quality["rows"])
    table.Add({row["label"], fmt::format("{:.2f} %", 100 * row["ratio"].get<double>()),
               fmt::format("{:.1f}", row["exact_match"]["mean"].get<double>()),
               fmt::format("{:.1f}", row["f1"]["mean"].get<double>()),
               fmt::format("{:.4f}", row["loss"]["mean"].get<double>()),
               row["loss_ratio"].is_null()
                   ? ""
                   : fmt::format("{:+.2f} %", 100 * (row["loss_ratio"]["mean"].get<double>() - 1))});
  return table.ToString();
}

std::string Summary(const Json& study) {
  const Json& plan = study["plan"];
  std::string out =
      fmt::format("joint plan: {} a request, loss {:.4g} of {:.4g} allowed, {:.2f} % of the size at F32\n",
                  FormatDuration(plan["predicted"]["request_s"]), plan["quality"]["loss"].get<double>(),
                  plan["quality"]["budget"].get<double>(), 100 * study["ratio"].get<double>());
  out += "\n" + CompletionTable(study, "link", "links, Mbit/s") + "\n" +
         CompletionTable(study, "cpu", "CPUs, x") +
         "*: no plan of the method keeps the loss budget; -: none keeps the limits of the servers\n\n" +
         SolverTable(study) + "\n" + QualityRows(study);
  return out;
}

absl::Status WriteAll(const fs::path& out, const Json& study) {
  RETURN_IF_ERROR(WriteJson(out / "study.json", study));
  for (const auto& [name, text] : StudyTables(study)) RETURN_IF_ERROR(WriteFileAtomically(out / name, text));
  return WriteFileAtomically(out / "report.html", RenderPage(study));
}

absl::Status Run(const Program& program, const Options& options) {
  ASSIGN_OR_RETURN(SquadData squad, FindSquad(options));
  const fs::path out = options.out, work = out / "work";
  std::error_code error;
  fs::create_directories(work, error);
  if (error) return FailedPrecondition("cannot create folder '{}': {}", work.string(), error.message());
  ASSIGN_OR_RETURN(const fs::path file, ModelFile(options.model, work));
  StudyOptions study = options.study;
  study.work_dir = work;
  study.solver_time.time_limit_s = options.solver_limit_s;
  RETURN_IF_ERROR(SetQuestions(options, std::move(squad), file, study));
  if (options.quick) MakeQuick(study);
  ASSIGN_OR_RETURN(const StudyModel model, ReadStudyModel(file));
  ProgressLine line("reproducing");
  StudyControl control;
  control.progress = [&line](double fraction, std::string_view what) {
    line.Update(fraction, std::string(what));
    return !Interrupted();
  };
  control.stop = [] { return Interrupted(); };
  auto data = Reproduce(model, study, control);
  line.Finish();
  if (Interrupted()) return InterruptedStatus();
  RETURN_IF_ERROR(data.status());
  RETURN_IF_ERROR(WriteAll(out, *data));
  if (program.json) {
    PrintJson(*data);
  } else {
    Print(Summary(*data) +
          fmt::format("\nwritten to {}: report.html (opens in any browser, without a network), study.json, "
                      "tables as CSV\n",
                      out.string()));
  }
  return absl::OkStatus();
}

}  // namespace

void AddReproduce(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(
      program, "reproduce", "The paper's study on a model at hand: tables, data and a page of plots",
      "dilemma reproduce --model opt-350m --squad dev-v1.1.json --out reproduction",
      [&program, options] { return Run(program, *options); });
  command->add_option("--model,-m", options->model,
                      "A GGUF file, or a Hugging Face folder of OPT (default: the stand-in for OPT-350m, see "
                      "docs/opt.md, or SmolLM2-135M)");
  command->add_option("--squad", options->squad,
                      "SQuAD v1.1, to ask questions (default: dev-v1.1.json, where it is here)");
  command
      ->add_option("--out,-o", options->out, "Folder for what is written; a repeated run goes on from there")
      ->capture_default_str();
  command
      ->add_option("--questions", options->questions,
                   fmt::format("About so many are asked of each model; 0: none (default: {}, with --quick 0)",
                               kQuestions))
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  command
      ->add_option("--as-good-as", options->study.as_good_as,
                   "The loss budget is that of this type throughout ...")
      ->capture_default_str();
  command->add_option("--budget-factor", options->study.budget_factor, "... times this")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command
      ->add_option("--solver-limit", options->solver_limit_s,
                   "Seconds that each solver may take in the comparison of solvers")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command
      ->add_option(
          "--threads", options->threads,
          "For questions and distillation (0: all cores; fewer are faster where others use the cores)")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_flag("--quick", options->quick, "Few points and small problems: to see what comes out");
}

}  // namespace dilemma::cli
