#include "tests/opt_reference.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/status.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma::testing {
namespace {

namespace fs = std::filesystem;

// Logits of every row.
absl::StatusOr<std::vector<float>> Pass(const StageChain& chain, std::span<const int32_t> tokens,
                                        int position) {
  std::vector<RowPlace> rows;
  for (size_t i = 0; i < tokens.size(); ++i) rows.push_back({position + static_cast<int>(i), 0});
  const std::vector<int8_t> want(tokens.size(), 1);
  std::vector<float> values;
  for (const auto& stage : chain) {
    StageInput input = {.rows = rows, .tokens = {}, .hidden = {}, .want_logits = {}};
    if (stage->has_embedding()) {
      input.tokens = tokens;
    } else {
      input.hidden = values;
    }
    if (stage->has_head()) input.want_logits = want;
    ASSIGN_OR_RETURN(const std::span<const float> output, stage->Run(input));
    values.assign(output.begin(), output.end());
  }
  return values;
}

}  // namespace

absl::StatusOr<OptReference> ReadOptReference(const fs::path& path) {
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  OptReference reference;
  json.at("prompt").get_to(reference.prompt);
  json.at("tokens").get_to(reference.tokens);
  json.at("logits").get_to(reference.logits);
  if (reference.logits.size() != reference.prompt.size() + reference.tokens.size() ||
      reference.prompt.empty()) {
    return InvalidArgument("'{}' has {} rows of logits", path.string(), reference.logits.size());
  }
  return reference;
}

absl::StatusOr<StageChain> CutModel(const fs::path& path, const std::vector<int>& cuts,
                                    const std::string& mix, const fs::path& folder,
                                    const StageOptions& options) {
  ASSIGN_OR_RETURN(const ModelInfo model, ReadModel(path));
  ASSIGN_OR_RETURN(const TypeMix type, TypeMix::Parse(mix));
  StageChain chain;
  for (size_t s = 0; s + 1 < cuts.size(); ++s) {
    const std::vector<TypeMix> types(static_cast<size_t>(cuts[s + 1] - cuts[s]), type);
    const fs::path shard = folder / fmt::format("{}.gguf", s);
    ASSIGN_OR_RETURN(const ShardInfo written, WriteShard(model, cuts[s], cuts[s + 1] - 1, types, shard));
    ASSIGN_OR_RETURN(auto stage, Stage::Load(written.path, options));
    chain.push_back(std::move(stage));
  }
  return chain;
}

absl::StatusOr<StageChain> WholeModel(const fs::path& model, const StageOptions& options) {
  StageChain chain;
  ASSIGN_OR_RETURN(auto stage, Stage::Load(model, options));
  chain.push_back(std::move(stage));
  return chain;
}

absl::StatusOr<std::vector<std::vector<float>>> Follow(const StageChain& chain,
                                                       const OptReference& reference) {
  ASSIGN_OR_RETURN(const std::vector<float> first, Pass(chain, reference.prompt, 0));
  const size_t width = first.size() / reference.prompt.size();
  std::vector<std::vector<float>> all;
  for (auto row = first.begin(); row != first.end(); row += static_cast<std::ptrdiff_t>(width)) {
    all.emplace_back(row, row + static_cast<std::ptrdiff_t>(width));
  }
  int position = static_cast<int>(reference.prompt.size());
  for (const int32_t token : reference.tokens) {
    ASSIGN_OR_RETURN(auto logits, Pass(chain, {&token, 1}, position++));
    all.push_back(std::move(logits));
  }
  return all;
}

absl::StatusOr<Difference> Compare(const std::vector<std::vector<float>>& logits,
                                   const OptReference& reference) {
  if (logits.size() != reference.logits.size()) {
    return InvalidArgument("{} rows of logits, the reference has {}", logits.size(), reference.logits.size());
  }
  Difference difference;
  double low = reference.logits[0][0], high = low;
  for (size_t i = 0; i < logits.size(); ++i) {
    const std::vector<float>& expected = reference.logits[i];
    if (logits[i].size() != expected.size()) {
      return InvalidArgument("{} logits, the reference has {}", logits[i].size(), expected.size());
    }
    for (size_t j = 0; j < expected.size(); ++j) {
      difference.largest =
          std::max(difference.largest, std::fabs(static_cast<double>(logits[i][j]) - expected[j]));
      low = std::min<double>(low, expected[j]);
      high = std::max<double>(high, expected[j]);
    }
    if (i + 1 < reference.prompt.size() || i + 1 == logits.size()) continue;
    const auto best = std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin();
    if (best != reference.tokens[i + 1 - reference.prompt.size()]) ++difference.other_tokens;
  }
  difference.spread = high - low;
  return difference;
}

}  // namespace dilemma::testing
