// For tests: a real model cut into shards on nodes of this process, and the same model whole.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "cluster/cluster.h"
#include "engine/sampler.h"
#include "engine/stage.h"
#include "engine/tokenizer.h"
#include "gtest/gtest.h"
#include "model/gguf_reader.h"
#include "plan/plan.h"
#include "quantizer/shard_writer.h"
#include "runtime/coordinator.h"
#include "runtime/node.h"

namespace dilemma {

inline std::filesystem::path TestModelPath() {
  return CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

#define NEEDS_MODEL()                                                                             \
  if (!std::filesystem::exists(TestModelPath())) {                                                \
    GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << TestModelPath(); \
  }

// A model cut at `cuts` (units before which a new stage begins; 0 is implied).
struct CutModel {
  TempDir dir;
  ModelInfo model;
  std::vector<TypeMix> types;
  Plan plan;
  std::unique_ptr<Tokenizer> tokenizer;

  std::filesystem::path whole() const { return dir.path() / "whole.gguf"; }
  std::filesystem::path shards() const { return dir.path() / "shards"; }
  std::vector<int32_t> Tokens(std::string_view text) const { return tokenizer->Encode(text, false, true); }
};

inline std::vector<TypeMix> UniformTypes(size_t units, std::string_view mix) {
  return std::vector<TypeMix>(units, *TypeMix::Parse(mix));
}

// `types` empty: q8_0 throughout. Servers are named "a", "b", ...
inline CutModel CutForTest(std::vector<int> cuts, std::vector<TypeMix> types = {}) {
  CutModel cut = {*TempDir::Create("dilemma-ring"), *ReadModel(TestModelPath()), {}, {}, nullptr};
  cut.types = types.empty() ? UniformTypes(cut.model.units.size(), "q8_0") : std::move(types);
  cut.plan.model_name = cut.model.name;
  cut.plan.arch = cut.model.arch;
  cut.plan.workload.context = 256;
  cuts.insert(cuts.begin(), 0);
  cuts.push_back(static_cast<int>(cut.model.units.size()));
  std::filesystem::create_directories(cut.shards());
  for (size_t k = 0; k + 1 < cuts.size(); ++k) {
    PlanStage stage;
    stage.server = std::string(1, static_cast<char>('a' + k));
    stage.first_unit = cuts[k];
    stage.last_unit = cuts[k + 1] - 1;
    stage.types.assign(cut.types.begin() + cuts[k], cut.types.begin() + cuts[k + 1]);
    const auto part = cut.shards() / "part.gguf";
    const auto shard = WriteShard(cut.model, stage.first_unit, stage.last_unit, stage.types, part);
    EXPECT_TRUE(shard.ok()) << shard.status();
    stage.shard = shard->sha256;
    stage.shard_bytes = shard->bytes;
    std::filesystem::rename(part, cut.shards() / (shard->sha256 + ".gguf"));
    cut.plan.stages.push_back(std::move(stage));
  }
  EXPECT_TRUE(WriteWhole(cut.model, cut.types, cut.whole()).ok());
  cut.tokenizer = *Tokenizer::Load(cut.whole());
  return cut;
}

// Nodes "a", "b", ... in this process.
struct LocalNodes {
  TempDir dir = *TempDir::Create("dilemma-nodes");
  Cluster cluster;
  std::vector<std::unique_ptr<Node>> nodes;

  explicit LocalNodes(size_t count, NodeOptions options = {}) {
    cluster.name = "test";
    for (size_t k = 0; k < count; ++k) {
      options.name = std::string(1, static_cast<char>('a' + k));
      options.store = dir.path() / options.name;
      options.threads = 1;
      auto node = Node::Start(options);
      EXPECT_TRUE(node.ok()) << node.status();
      Server server;
      server.name = options.name;
      server.address = (*node)->address();
      cluster.servers.push_back(server);
      nodes.push_back(*std::move(node));
    }
  }
};

// What the whole model says, in one stage: greedy tokens, and the logits of every position that went in.
struct Reference {
  std::vector<int32_t> tokens;
  std::vector<float> logits;
};

inline Reference RunWhole(const CutModel& cut, const std::vector<int32_t>& prompt, int64_t count,
                          int64_t chunk) {
  StageOptions options = {
      .context = cut.plan.workload.context, .sequences = 1, .max_batch = chunk, .threads = 1};
  options.all_logits = true;
  auto stage = Stage::Load(cut.whole(), options);
  EXPECT_TRUE(stage.ok()) << stage.status();
  const auto sampler = Sampler::Create({});
  Reference result;
  int32_t position = 0;
  const auto run = [&](std::span<const int32_t> tokens) {
    std::vector<RowPlace> rows;
    for (size_t i = 0; i < tokens.size(); ++i) rows.push_back({position++, 0});
    const std::vector<int8_t> want(tokens.size(), 1);
    const auto logits = (*stage)->Run({.rows = rows, .tokens = tokens, .hidden = {}, .want_logits = want});
    EXPECT_TRUE(logits.ok()) << logits.status();
    result.logits.insert(result.logits.end(), logits->begin(), logits->end());
    result.tokens.push_back(sampler->Sample(logits->last(static_cast<size_t>((*stage)->n_vocab()))));
  };
  for (size_t at = 0; at < prompt.size(); at += static_cast<size_t>(chunk)) {
    if (at > 0) result.tokens.clear();
    run(std::span(prompt).subspan(at, std::min(static_cast<size_t>(chunk), prompt.size() - at)));
  }
  while (static_cast<int64_t>(result.tokens.size()) < count) {
    const int32_t token = result.tokens.back();
    run({&token, 1});
  }
  return result;
}

inline std::vector<int> RandomCuts(int stages, int units, std::mt19937& random) {
  std::vector<int> places;
  for (int u = 1; u < units; ++u) places.push_back(u);
  std::shuffle(places.begin(), places.end(), random);
  places.resize(static_cast<size_t>(stages) - 1);
  std::sort(places.begin(), places.end());
  return places;
}

inline std::vector<TypeMix> RandomTypes(size_t units, std::mt19937& random) {
  const std::vector<std::string> menu = {
      "q8_0", "q5_0", "q4_0", "iq4_nl",
      "q5_1", "q4_1", "f16",  "q4_0+ffn_down=q8_0+token_embd=q8_0+output=q5_1"};
  std::vector<TypeMix> types;
  for (size_t u = 0; u < units; ++u) types.push_back(*TypeMix::Parse(menu[random() % menu.size()]));
  return types;
}

}  // namespace dilemma
