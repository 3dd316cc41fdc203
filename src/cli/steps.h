// The steps of the main job, shared by the commands that do one of them and the demo that does all.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cluster/cluster.h"
#include "engine/tokenizer.h"
#include "model/model.h"
#include "plan/plan.h"
#include "planner/build_problem.h"
#include "planner/make_plan.h"
#include "planner/solver.h"
#include "quality/quality.h"
#include "quantizer/shard_writer.h"
#include "runtime/coordinator.h"

namespace dilemma::cli {

// --context, --users, --prompt-tokens, --output-tokens, --wire.
void AddWorkloadOptions(CLI::App* command, Workload& workload);

// The quality file, or, where `path` is empty, the paper's weight difference computed now for `types` (empty:
// every type that is not the source's own grid) and kept in the cache.
absl::StatusOr<QualityTable> LoadOrComputeQuality(const std::string& path, const ModelInfo& model,
                                                  const std::string& model_sha256,
                                                  const std::vector<std::string>& types);

// `result` as a plan, with its predictions; a result without an assignment becomes kFailedPrecondition with
// the reason.
struct PlannedModel {
  const ModelInfo& model;
  std::string sha256;
  const Cluster& cluster;
  const QualityTable& quality;
  Workload workload;
};
absl::StatusOr<Plan> ToPlan(const PlannedModel& planned, const Problem& problem, const SolveResult& result);

// Solve options whose progress goes to `line` and which Ctrl-C ends.
SolveOptions MakeSolveOptions(double time_limit_s, double gap, ProgressLine& line);

// Writes the plan's shards to `dir` as <sha256>.gguf (those that are there already are kept) and fills the
// plan's hashes. `bytes` as in WriteShard.
absl::Status WriteShards(const ModelInfo& model, Plan& plan, const std::filesystem::path& dir,
                         const TensorBytes& bytes = nullptr);
// The model's bytes as a quality file's losses were measured: rounded by the importance of inputs that it
// holds. Null where it holds none, or `quality_file` is empty.
absl::StatusOr<TensorBytes> WeightsAsMeasured(const ModelInfo& model, const std::string& quality_file);

struct PromptOptions {
  std::string prompt;
  bool raw = false;  // no chat template
  int64_t max_tokens = 64;
  SamplingOptions sampling;
};
struct Answer {
  std::string text;
  GenerateResult result;
  int64_t prompt_tokens = 0;
  double decode_s = 0;  // median over tokens
};
// Asks a running coordinator; `on_text` gets the answer as it comes, in whole UTF-8 characters.
absl::StatusOr<Answer> Ask(Coordinator& coordinator, const Tokenizer& tokenizer, const PromptOptions& options,
                           const std::function<void(const std::string&)>& on_text);

// Progress of shipping a plan's shards, for CoordinatorOptions::on_ship; outlives what it is given to.
class ShippingLine {
 public:
  explicit ShippingLine(const Plan& plan);
  ShipReport Report();

 private:
  ProgressLine line_;
  std::map<std::string, std::pair<int64_t, int64_t>, std::less<>> state_;  // by server: done and all
  int64_t total_ = 0;
};

// Opens the plan on the cluster, with progress while shards are shipped (`options.on_ship` is set here).
absl::StatusOr<std::unique_ptr<Coordinator>> OpenPlan(const Plan& plan, const Cluster& cluster,
                                                      const std::filesystem::path& shards,
                                                      CoordinatorOptions options);
// Generations end where the model says so.
absl::StatusOr<std::unique_ptr<Coordinator>> OpenPlan(const Plan& plan, const Cluster& cluster,
                                                      const std::filesystem::path& shards,
                                                      const Tokenizer& tokenizer);

}  // namespace dilemma::cli
