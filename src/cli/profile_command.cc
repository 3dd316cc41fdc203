#include "base/table.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/security_options.h"
#include "model/gguf_reader.h"
#include "profiler/profiler.h"

namespace dilemma::cli {
namespace {

struct Options {
  std::string model, cluster, out;
  std::vector<std::string> types;
  ProfileOptions profile;
  SecurityOptions security;
};

absl::Status Run(const Program& program, Options& options) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(options.model));
  ASSIGN_OR_RETURN(const Cluster cluster, ReadReachableCluster(options.cluster, options.security));
  for (const std::string& name : options.types) {
    ASSIGN_OR_RETURN(const TensorType type, ParseTensorType(name));
    options.profile.menu.push_back(type);
  }
  ProgressLine progress("profiling");
  options.profile.progress = [&](double fraction, std::string_view what) {
    progress.Update(fraction, std::string(what));
    return true;
  };
  ASSIGN_OR_RETURN(const Profile profile, MeasureProfile(cluster, model, options.profile));
  progress.Finish();
  const Json json = ProfileToJson(profile);
  RETURN_IF_ERROR(WriteJson(options.out, json));
  if (program.json) {
    PrintJson(json);
  } else {
    Print(RenderProfile(profile) + fmt::format("\nwritten to {}\n", options.out));
  }
  return absl::OkStatus();
}

}  // namespace

void AddProfile(Program& program) {
  auto options = std::make_shared<Options>();
  options->out = "profile.json";
  CLI::App* command = AddCommand(
      program, "profile", "Measure servers (compute per tensor type, memory) and links of a running cluster",
      "dilemma profile model.gguf --cluster emulated.toml --out profile.json",
      [&program, options] { return Run(program, *options); });
  command->add_option("model", options->model, "The GGUF file whose shapes are timed")->required();
  command
      ->add_option("--cluster,-c", options->cluster, "A cluster file (TOML) with addresses of running nodes")
      ->required();
  AddSecurityOptions(command, options->security);
  command->add_option("--out,-o", options->out, "Where the profile goes")->capture_default_str();
  command->add_option("--types", options->types,
                      "Only these tensor types (default: all that the model admits)");
  command
      ->add_option("--decode-context", options->profile.decode_context,
                   "Tokens in the KV cache while decode is timed")
      ->check(CLI::Range(16, 65536))
      ->capture_default_str();
  command
      ->add_option("--prefill-chunk", options->profile.prefill_chunk, "Tokens a pass while prefill is timed")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command
      ->add_option("--rounds", options->profile.rounds,
                   "How often every probe is timed, apart in time; the median counts")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command
      ->add_option("--repeats", options->profile.decode_repeats,
                   "Timed decode passes of each probe and round")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

}  // namespace dilemma::cli
