// OPT at full size against transformers: logits of the whole model and of three stages, and that both are
// equal.
//   python bench/opt_reference.py --size 350m --out DIR     (makes the model and its reference)
//   opt_reference_bench DIR
#include <chrono>
#include <cstdio>

#include "base/file.h"
#include "base/status.h"
#include "base/units.h"
#include "importer/import_opt.h"
#include "model/gguf_reader.h"
#include "tests/opt_reference.h"

namespace dilemma::testing {
namespace {

constexpr double kTolerance = 1e-3;

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

absl::Status Report(std::string_view what, const std::vector<std::vector<float>>& logits,
                    const OptReference& reference) {
  ASSIGN_OR_RETURN(const Difference difference, Compare(logits, reference));
  const double relative = difference.largest / difference.spread;
  fmt::print("{:<12}  largest difference {:.2e} of the spread {:.2f}, {} of {} greedy tokens the same\n",
             what, relative, difference.spread,
             static_cast<int>(reference.tokens.size()) - difference.other_tokens, reference.tokens.size());
  if (relative > kTolerance || difference.other_tokens > 0) {
    return Internal("{} differs by more than {} of the spread, or in its tokens", what, kTolerance);
  }
  return absl::OkStatus();
}

absl::Status Run(const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-opt-bench"));
  const auto file = dir.path() / "model.gguf";
  const double start = Seconds();
  ASSIGN_OR_RETURN(const ImportResult imported, ImportOpt(folder, file, {.type = ImportType::kF32}));
  fmt::print("{}: {} layers, {} wide, {:.1f} M parameters; imported to {} in {:.1f} s\n", ModelName(folder),
             imported.config.layers, imported.config.width, static_cast<double>(imported.parameters) / 1e6,
             FormatBytes(imported.bytes), Seconds() - start);
  ASSIGN_OR_RETURN(const OptReference reference, ReadOptReference(folder / "reference.json"));
  const StageOptions options = {
      .context = 64, .sequences = 1, .max_batch = 64, .threads = 2, .all_logits = true};
  std::vector<std::vector<float>> expected;
  {
    ASSIGN_OR_RETURN(const StageChain whole, WholeModel(file, options));
    ASSIGN_OR_RETURN(expected, Follow(whole, reference));
  }
  RETURN_IF_ERROR(Report("whole", expected, reference));
  const int units = static_cast<int>(imported.config.layers) + 2;
  ASSIGN_OR_RETURN(const StageChain chain,
                   CutModel(file, {0, units / 3, 2 * units / 3, units}, "f32", dir.path(), options));
  ASSIGN_OR_RETURN(const auto found, Follow(chain, reference));
  RETURN_IF_ERROR(Report("three stages", found, reference));
  if (found != expected) return Internal("the three stages do not equal the whole exactly");
  fmt::print("three stages equal the whole exactly\n");
  return absl::OkStatus();
}

}  // namespace
}  // namespace dilemma::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: opt_reference_bench DIR (from bench/opt_reference.py)\n");
    return 2;
  }
  const absl::Status status = dilemma::testing::Run(argv[1]);
  if (!status.ok()) fmt::print(stderr, "error: {}\n", dilemma::Message(status));
  return dilemma::ExitCode(status);
}
