// Ours against llama-quantize at no more file bytes: the choice of bits alone, its own types distilled, and
// both. Prints file bytes, mean KL from the teacher on text that nothing was calibrated on, and the paired
// ratio to the file that llama-quantize makes with an importance matrix. Make those first, then all figures
// come from one run:
//   bench/quality_llama_quantize.py --text dev-v1.1.json --only-make
//   build/bench/distill_bench --text dev-v1.1.json --second "$(scripts/prose.sh)" --seeds 1,2,3
// Checks that no file of ours is larger than what it is compared with. --without-peers: the rows' types and
// sizes are taken as known and nothing is compared.
#include <cstdio>
#include <map>
#include <optional>

#include "CLI/CLI.hpp"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "bench/type_bank.h"
#include "distill/choose_types.h"
#include "distill/distill.h"
#include "distill/sensitivity.h"
#include "engine/tokenizer.h"
#include "evaluation/gguf_model.h"
#include "evaluation/kl.h"
#include "evaluation/text.h"
#include "model/gguf_reader.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

struct Row {
  std::string name;
  int64_t bytes = 0;                    // of llama-quantize's file
  std::string layers, ends;             // its types, where there is no file to read them from
  double bits = 0, same = 0, both = 0;  // what is aimed at, in times its KL; 0: nothing
};
const Row kRows[] = {{"Q5_0", 104998464, "q5_0", "q8_0", 0.55, 0.60, 0.40},
                     {"Q4_K_M", 105454144, "q5_0+ffn_down=q6_k", "q8_0", 0.80, 0.60, 0.60},
                     {"IQ4_NL", 91727104, "iq4_nl", "q8_0", 0.55, 0.60, 0.40},
                     {"Q4_0", 91727104, "q4_0", "q8_0", 0.55, 0.60, 0.40}};

struct Arguments {
  std::string model = (CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").string();
  std::string peers = (CacheDir() / "bench" / "quality" / "default").string();
  std::string text, second, work;
  std::vector<std::string> rows = {"Q5_0", "Q4_K_M", "IQ4_NL", "Q4_0"};
  std::vector<std::string> parts = {"bits", "same", "both"};
  std::vector<uint32_t> seeds = {1};
  int64_t calibration = 32, test = 20;
  int probe_windows = SensitivityOptions().probe_windows;
  int threads = 0;
  bool without_peers = false;
};

struct Student {
  std::string name;
  std::string row;  // it is compared with
  fs::path path;
  int64_t bytes = 0;
  double aim = 0;
};

void Say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

// The types of a file, unit by unit.
std::vector<TypeMix> TypesOf(const ModelInfo& file) {
  std::vector<TypeMix> types;
  for (const Unit& unit : file.units) {
    TypeMix mix;
    std::map<int, int> uses;
    for (const TensorInfo& tensor : unit.tensors) {
      if (tensor.quantizable && ++uses[tensor.type.ggml] > uses[mix.base.ggml]) mix.base = tensor.type;
    }
    for (const TensorInfo& tensor : unit.tensors) {
      if (tensor.quantizable && tensor.type != mix.base)
        mix.exceptions[TensorRole(tensor.name)] = tensor.type;
    }
    types.push_back(std::move(mix));
  }
  return types;
}

class Bench {
 public:
  explicit Bench(const Arguments& args) : args_(args) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(model_, ReadModel(args_.model));
    ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Load(args_.model));
    ASSIGN_OR_RETURN(documents_, ReadDocuments(args_.text));
    ASSIGN_OR_RETURN(TempDir temporary, TempDir::Create("dilemma-bench"));
    dir_ = args_.work.empty() ? temporary.path() : fs::path(args_.work);
    fs::create_directories(dir_);
    RETURN_IF_ERROR(FindRows());
    for (const uint32_t seed : args_.seeds) RETURN_IF_ERROR(MakeStudents(seed));
    ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
    const std::vector<TypeMix> wides(model_.units.size(), wide);
    RETURN_IF_ERROR(WriteWhole(model_, wides, dir_ / "teacher.gguf").status());
    ASSIGN_OR_RETURN(const auto test, SelectPart(documents_, Part::kTest));
    RETURN_IF_ERROR(Measure(args_.text + " (test articles)", test));
    if (args_.second.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const auto second, ReadDocuments(args_.second));
    return Measure(args_.second, second);
  }

 private:
  // Rows as asked for; their files become the first students.
  absl::Status FindRows() {
    for (const std::string& name : args_.rows) {
      const auto known =
          std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return row.name == name; });
      const bool aimed = known != std::end(kRows);
      if (!aimed && args_.without_peers) return InvalidArgument("the types of row {} are not known", name);
      Row& row = rows_.emplace_back();
      if (aimed) row = *known;
      row.name = name;
      if (args_.without_peers) {
        ASSIGN_OR_RETURN(const TypeMix layers, TypeMix::Parse(row.layers));
        ASSIGN_OR_RETURN(const TypeMix ends, TypeMix::Parse(row.ends));
        std::vector<TypeMix> types(model_.units.size(), layers);
        types.front() = types.back() = ends;
        types_[name] = std::move(types);
        continue;
      }
      const fs::path path = fs::path(args_.peers) / (name + "-imatrix.gguf");
      ASSIGN_OR_RETURN(const ModelInfo peer, ReadModel(path));
      row.bytes = peer.file_bytes;
      types_[name] = TypesOf(peer);
      students_.push_back({name + " llama-quantize", "", path, row.bytes, 0});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<QualityTable> TableFor(uint32_t seed, std::span<const TokenWindow> windows) {
    const fs::path path = dir_ / fmt::format("quality-{}.json", seed);
    if (fs::exists(path)) return ReadQuality(path);
    const Stopwatch watch;
    ASSIGN_OR_RETURN(const Sensitivity found, MeasureSensitivity(model_, windows,
                                                                 {.threads = args_.threads,
                                                                  .probe_windows = args_.probe_windows,
                                                                  .held_out = {},
                                                                  .work_file = path.string() + ".part"},
                                                                 [](const SensitivityEvent& event) {
                                                                   std::fprintf(stderr, "\r%d/%d %s   ",
                                                                                event.done, event.total,
                                                                                event.unit.c_str());
                                                                   return true;
                                                                 }));
    Json json = QualityToJson(found.table);
    json["importance"] = ImportanceToJson(found.importance);
    RETURN_IF_ERROR(WriteJson(path, json));
    Say(fmt::format("\nsensitivity in {:.0f} s", watch.Seconds()));
    return found.table;
  }

  // As `quantize --importance` does.
  absl::Status Round(uint32_t seed, const std::vector<TypeMix>& types, std::span<const TokenWindow> windows,
                     const fs::path& path) {
    if (!bank_ || bank_seed_ != seed) {
      RETURN_IF_ERROR(TableFor(seed, windows).status());
      ASSIGN_OR_RETURN(Importance importance, ReadImportance(dir_ / fmt::format("quality-{}.json", seed)));
      bank_.emplace(model_, std::move(importance));
      bank_seed_ = seed;
    }
    return bank_->Write(types, model_.tied_head && types.front() == types.back(), path).status();
  }

  absl::Status Make(const Row& row, const std::string& part, uint32_t seed, const std::vector<TypeMix>& types,
                    std::span<const TokenWindow> windows) {
    const std::string name = fmt::format("{} {} seed {}", row.name, part, seed);
    const fs::path path = dir_ / fmt::format("{}-{}-{}.gguf", row.name, part, seed);
    if (fs::exists(path)) {
      Say(fmt::format("{}: made before", name));
    } else if (part == "bits" || part == "scales") {
      RETURN_IF_ERROR(Round(seed, types, windows, path));
    } else {
      const Stopwatch watch;
      const DistillOptions options = {.threads = args_.threads, .work_dir = dir_ / "units"};
      RETURN_IF_ERROR(Distill(model_, types, windows, options, path, [](const DistillEvent& event) {
                        std::fprintf(stderr, "\r%d/%d %s: %s        ", event.done, event.total,
                                     event.unit.c_str(), event.note.c_str());
                        return true;
                      }).status());
      Say(fmt::format("\n{} in {:.0f} s", name, watch.Seconds()));
    }
    const auto bytes = static_cast<int64_t>(fs::file_size(path));
    if (!args_.without_peers && bytes > row.bytes)
      return Internal("{} has {} bytes, more than {}", name, bytes, row.bytes);
    students_.push_back({name, row.name, path, bytes,
                         part == "bits"   ? row.bits
                         : part == "both" ? row.both
                         : part == "same" ? row.same
                                          : 0.0});
    return absl::OkStatus();
  }

  absl::Status MakeStudents(uint32_t seed) {
    ASSIGN_OR_RETURN(const auto text, SelectPart(documents_, Part::kCalibration));
    ASSIGN_OR_RETURN(
        const auto windows,
        MakeWindows(text, *tokenizer_, {.window = 512, .count = args_.calibration, .seed = seed}));
    for (const std::string& part : args_.parts) {
      for (const Row& row : rows_) {
        std::vector<TypeMix> types = types_[row.name];
        if (part == "bits" || part == "both") {
          ASSIGN_OR_RETURN(const QualityTable table, TableFor(seed, windows));
          ASSIGN_OR_RETURN(ChosenTypes chosen, ChooseTypes(model_, table, row.bytes));
          types = std::move(chosen.types);
          Say(fmt::format("{}: chosen {} bytes, loss {:.4f}, ends {}", row.name, chosen.file_bytes,
                          chosen.loss, types.front().ToString()));
        }
        RETURN_IF_ERROR(Make(row, part, seed, types, windows));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Measure(const std::string& title, const std::vector<Document>& text) {
    ASSIGN_OR_RETURN(const auto windows,
                     MakeWindows(text, *tokenizer_, {.window = 512, .count = args_.test, .seed = 0}));
    const GgufModelOptions options = {.context = 512, .threads = args_.threads, .end_tokens = {}};
    ASSIGN_OR_RETURN(const auto teacher, LoadGgufModel(dir_ / "teacher.gguf", options));
    std::vector<std::unique_ptr<LanguageModel>> models;
    std::vector<LanguageModel*> pointers;
    for (const Student& student : students_) {
      ASSIGN_OR_RETURN(auto model, LoadGgufModel(student.path, options));
      pointers.push_back(model.get());
      models.push_back(std::move(model));
    }
    ASSIGN_OR_RETURN(const auto scores, CompareModels(*teacher, pointers, windows));
    std::printf(
        "\n%zu windows of 512 tokens of %s; mean KL in nats and its ratio [95 %%, paired by window]\n",
        windows.size(), title.c_str());
    std::map<std::string, size_t> peers;
    for (size_t i = 0; i < students_.size(); ++i) {
      const Student& student = students_[i];
      const Estimate kl = MeanEstimate(scores[i + 1].kl);
      std::string ratio;
      if (student.row.empty()) {
        peers[student.name.substr(0, student.name.find(' '))] = i;
      } else if (const auto peer = peers.find(student.row); peer != peers.end()) {
        const Estimate times = RatioEstimate(scores[i + 1].kl, scores[peer->second + 1].kl);
        ratio = fmt::format("{:.3f} [{:.3f}, {:.3f}]", times.mean, times.low, times.high);
        if (student.aim > 0)
          ratio += fmt::format(", aim {:.2f}: {}", student.aim, times.mean <= student.aim ? "met" : "missed");
      }
      std::printf("%-24s %11ld bytes  KL %.4f [%.4f, %.4f]  %s\n", student.name.c_str(),
                  static_cast<long>(student.bytes), kl.mean, kl.low, kl.high, ratio.c_str());
    }
    std::fflush(stdout);
    return absl::OkStatus();
  }

  const Arguments& args_;
  ModelInfo model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<Document> documents_;
  fs::path dir_;
  std::vector<Row> rows_;
  std::map<std::string, std::vector<TypeMix>> types_;  // of llama-quantize's files
  std::vector<Student> students_;
  std::optional<TypeBank> bank_;
  uint32_t bank_seed_ = 0;  // of bank_, where there is one
};

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  dilemma::Arguments args;
  CLI::App app("KL of models with chosen bits and distilled weights against llama-quantize's");
  app.add_option("--model", args.model);
  app.add_option("--text", args.text, "a SQuAD file; its articles are split into calibration and test")
      ->required();
  app.add_option("--second", args.second, "text of another domain, to measure on alone");
  app.add_option("--peers", args.peers, "folder of llama-quantize's files");
  app.add_option("--rows", args.rows, "names of llama-quantize's types")->delimiter(',');
  app.add_option(
         "--parts", args.parts,
         "bits: chosen types, scales by importance; same: llama-quantize's types, distilled; both; scales: "
         "llama-quantize's types, scales by importance")
      ->delimiter(',');
  app.add_option("--seeds", args.seeds, "of the calibration text")->delimiter(',');
  app.add_option("--calibration", args.calibration, "windows of 512 tokens");
  app.add_option("--probe-windows", args.probe_windows, "of them for sensitivity's KL");
  app.add_option("--test", args.test, "windows of 512 tokens");
  app.add_option("--work", args.work, "folder where everything made is kept and used again");
  app.add_option("--threads", args.threads);
  app.add_flag("--without-peers", args.without_peers);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = dilemma::Bench(args).Run();
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", std::string(dilemma::Message(status)).c_str());
  return dilemma::ExitCode(status);
}
