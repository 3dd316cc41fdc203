// What the evaluation commands measure: GGUF files, and a plan on its running cluster.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cli/security_options.h"
#include "cluster/cluster.h"
#include "engine/tokenizer.h"
#include "evaluation/estimate.h"
#include "evaluation/gguf_model.h"
#include "evaluation/kl.h"
#include "evaluation/language_model.h"
#include "evaluation/text.h"
#include "plan/plan.h"

namespace dilemma::cli {

struct EvalSources {
  std::vector<std::string> models;  // GGUF files
  std::string plan, cluster, shards = "shards", model;
  int threads = 0;
  SecurityOptions security;
};
// --plan, --cluster, --certs, --insecure, --shards, --model, --threads.
void AddEvalSources(CLI::App* command, EvalSources& sources);

// A file or a plan, before its weights are loaded.
struct Contender {
  std::string name, path;
  GgufSummary summary;  // of a plan: over its shards
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<Plan> plan;
  std::optional<Cluster> cluster;
};

// At least one; in the order given, the plan last.
absl::StatusOr<std::vector<Contender>> FindContenders(const EvalSources& sources);

struct OpenOptions {
  int64_t context = 512;
  int queries = 1;
  std::vector<int32_t> end_tokens;
};
absl::StatusOr<std::unique_ptr<LanguageModel>> OpenContender(const Contender& contender,
                                                             const EvalSources& sources,
                                                             const OpenOptions& options);

// Progress on `line`, with the time left; Ctrl-C ends the work.
EvaluationProgress ShowProgress(ProgressLine& line, std::string unit);

// --part, and the documents of that part of a text.
void AddPart(CLI::App* command, std::string& part);
absl::StatusOr<std::vector<Document>> ReadPart(const std::string& text, const std::string& part_name);

Json ToJson(const Estimate& estimate);
Json ToJson(const Contender& contender);
std::string Interval(const Estimate& estimate, int digits);  // "0.048 [0.046, 0.050]"
std::string Megabytes(int64_t bytes);                        // "91.7 M"

// The subcommands of `eval`.
void AddEvalSquad(Program& program, CLI::App* parent);
void AddEvalPerplexity(Program& program, CLI::App* parent);
void AddEvalKl(Program& program, CLI::App* parent);

}  // namespace dilemma::cli
