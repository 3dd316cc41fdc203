#include "evaluation/gguf_model.h"

#include <algorithm>
#include <map>
#include <thread>

#include "base/status.h"
#include "engine/stage.h"
#include "evaluation/logits.h"
#include "model/gguf_file.h"

namespace dilemma {
namespace {

// A token on its way into the model: where it goes, and whether the logits after it are wanted.
struct Row {
  int32_t token = 0;
  RowPlace place;
  bool wanted = false;
};
using OnLogits = std::function<absl::Status(const Row& row, std::span<const float> logits)>;

// Sequence 0 holds the text that queries share; query i of a group is sequence i + 1.
class GgufModel : public LanguageModel {
 public:
  GgufModel(std::unique_ptr<Stage> stage, GgufModelOptions options)
      : stage_(std::move(stage)), options_(std::move(options)) {}

  int64_t n_vocab() const override { return stage_->n_vocab(); }
  int64_t context() const override { return options_.context; }

  absl::Status Logits(std::span<const int32_t> tokens, const LogitsSink& sink) override {
    if (tokens.empty() || static_cast<int64_t>(tokens.size()) > options_.context) {
      return InvalidArgument("a text of {} tokens; 1 to {} fit", tokens.size(), options_.context);
    }
    shared_.clear();
    RETURN_IF_ERROR(stage_->Truncate(0, 0));
    const auto step = static_cast<size_t>(options_.batch);
    for (size_t first = 0; first < tokens.size(); first += step) {
      const auto part = tokens.subspan(first, std::min(step, tokens.size() - first));
      places_.clear();
      for (size_t i = 0; i < part.size(); ++i) places_.push_back({static_cast<int32_t>(first + i), 0});
      wanted_.assign(part.size(), 1);
      ASSIGN_OR_RETURN(const auto logits, stage_->Run({places_, part, {}, wanted_}));
      RETURN_IF_ERROR(sink(static_cast<int64_t>(first), logits));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Reply>> Ask(std::span<const int32_t> shared,
                                         std::span<const Query> queries) override {
    RETURN_IF_ERROR(CheckQueries(shared, queries, options_.context));
    RETURN_IF_ERROR(HoldShared(shared));
    std::vector<Reply> replies;
    const auto step = static_cast<size_t>(options_.queries);
    for (size_t first = 0; first < queries.size(); first += step) {
      Group group{queries.subspan(first, std::min(step, queries.size() - first)), {}, {}};
      RETURN_IF_ERROR(ReadPrompts(group));
      RETURN_IF_ERROR(ScoreCandidates(group));
      RETURN_IF_ERROR(Generate(group));
      std::move(group.replies.begin(), group.replies.end(), std::back_inserter(replies));
    }
    return replies;
  }

 private:
  struct Group {
    std::span<const Query> queries;
    std::vector<Reply> replies;
    std::vector<std::vector<float>> after_prompt;  // logits from which the first token of every answer comes
  };

  absl::Status RunRows(const std::vector<Row>& rows, const OnLogits& on_logits) {
    const auto step = static_cast<size_t>(options_.batch);
    const auto vocab = static_cast<size_t>(n_vocab());
    for (size_t first = 0; first < rows.size(); first += step) {
      const auto part = std::span(rows).subspan(first, std::min(step, rows.size() - first));
      places_.clear();
      tokens_.clear();
      wanted_.clear();
      for (const Row& row : part) {
        places_.push_back(row.place);
        tokens_.push_back(row.token);
        wanted_.push_back(row.wanted ? 1 : 0);
      }
      ASSIGN_OR_RETURN(const auto logits, stage_->Run({places_, tokens_, {}, wanted_}));
      size_t done = 0;
      for (const Row& row : part) {
        if (row.wanted) RETURN_IF_ERROR(on_logits(row, logits.subspan(vocab * done++, vocab)));
      }
    }
    return absl::OkStatus();
  }

  // Makes sequence 0 hold `shared`; what it has in common with what is there already is not computed again.
  absl::Status HoldShared(std::span<const int32_t> shared) {
    const auto differ = std::mismatch(shared.begin(), shared.end(), shared_.begin(), shared_.end());
    const auto same = static_cast<int32_t>(differ.first - shared.begin());
    RETURN_IF_ERROR(stage_->Truncate(0, same));
    shared_.resize(static_cast<size_t>(same));
    std::vector<Row> rows;
    for (auto i = static_cast<size_t>(same); i < shared.size(); ++i) {
      rows.push_back({shared[i], {static_cast<int32_t>(i), 0}, false});
    }
    RETURN_IF_ERROR(RunRows(rows, nullptr));
    shared_.assign(shared.begin(), shared.end());
    return absl::OkStatus();
  }

  int32_t PromptEnd(const Group& group, size_t query) const {
    return static_cast<int32_t>(shared_.size() + group.queries[query].prompt.size());
  }

  absl::Status ReadPrompts(Group& group) {
    std::vector<Row> rows;
    for (size_t q = 0; q < group.queries.size(); ++q) {
      const auto sequence = static_cast<int32_t>(q + 1);
      RETURN_IF_ERROR(stage_->Copy(0, sequence));
      const std::vector<int32_t>& prompt = group.queries[q].prompt;
      for (size_t i = 0; i < prompt.size(); ++i) {
        rows.push_back(
            {prompt[i], {static_cast<int32_t>(shared_.size() + i), sequence}, i + 1 == prompt.size()});
      }
    }
    group.replies.resize(group.queries.size());
    group.after_prompt.resize(group.queries.size());
    return RunRows(rows, [&](const Row& row, std::span<const float> logits) {
      group.after_prompt[static_cast<size_t>(row.place.sequence) - 1].assign(logits.begin(), logits.end());
      return absl::OkStatus();
    });
  }

  // Round by round, one candidate of every query.
  absl::Status ScoreCandidates(Group& group) {
    size_t rounds = 0;
    for (const Query& query : group.queries) rounds = std::max(rounds, query.candidates.size());
    for (size_t c = 0; c < rounds; ++c) {
      std::vector<Row> rows;
      for (size_t q = 0; q < group.queries.size(); ++q) {
        if (c >= group.queries[q].candidates.size()) continue;
        const std::vector<int32_t>& candidate = group.queries[q].candidates[c];
        group.replies[q].candidate_nll.push_back(NegativeLogLikelihood(group.after_prompt[q], candidate[0]));
        const int32_t end = PromptEnd(group, q);
        RETURN_IF_ERROR(stage_->Truncate(static_cast<int32_t>(q + 1), end));
        for (size_t i = 0; i + 1 < candidate.size(); ++i) {
          const RowPlace place{end + static_cast<int32_t>(i), static_cast<int32_t>(q + 1)};
          rows.push_back({candidate[i], place, true});
        }
      }
      RETURN_IF_ERROR(RunRows(rows, [&](const Row& row, std::span<const float> logits) {
        const auto q = static_cast<size_t>(row.place.sequence) - 1;
        const auto next = static_cast<size_t>(row.place.position - PromptEnd(group, q)) + 1;
        group.replies[q].candidate_nll[c] +=
            NegativeLogLikelihood(logits, group.queries[q].candidates[c][next]);
        return absl::OkStatus();
      }));
    }
    return absl::OkStatus();
  }

  // Takes a token for an answer; whether the answer goes on.
  bool Accept(const Query& query, int32_t token, Reply& reply) const {
    if (std::find(options_.end_tokens.begin(), options_.end_tokens.end(), token) !=
        options_.end_tokens.end()) {
      return false;
    }
    reply.generated.push_back(token);
    return static_cast<int64_t>(reply.generated.size()) < query.max_tokens;
  }

  absl::Status Generate(Group& group) {
    std::vector<bool> open(group.queries.size(), false);
    for (size_t q = 0; q < group.queries.size(); ++q) {
      RETURN_IF_ERROR(stage_->Truncate(static_cast<int32_t>(q + 1), PromptEnd(group, q)));
      if (group.queries[q].max_tokens > 0) {
        open[q] = Accept(group.queries[q], Top(group.after_prompt[q]), group.replies[q]);
      }
    }
    for (;;) {
      std::vector<Row> rows;
      for (size_t q = 0; q < open.size(); ++q) {
        if (!open[q]) continue;
        const std::vector<int32_t>& text = group.replies[q].generated;
        const int32_t position = PromptEnd(group, q) + static_cast<int32_t>(text.size()) - 1;
        rows.push_back({text.back(), {position, static_cast<int32_t>(q + 1)}, true});
      }
      if (rows.empty()) return absl::OkStatus();
      RETURN_IF_ERROR(RunRows(rows, [&](const Row& row, std::span<const float> logits) {
        const auto q = static_cast<size_t>(row.place.sequence) - 1;
        open[q] = Accept(group.queries[q], Top(logits), group.replies[q]);
        return absl::OkStatus();
      }));
    }
  }

  std::unique_ptr<Stage> stage_;
  GgufModelOptions options_;
  std::vector<int32_t> shared_;  // what sequence 0 holds
  std::vector<RowPlace> places_;
  std::vector<int32_t> tokens_;
  std::vector<int8_t> wanted_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LanguageModel>> LoadGgufModel(const std::filesystem::path& path,
                                                             const GgufModelOptions& options) {
  StageOptions stage_options;
  stage_options.context = options.context;
  stage_options.sequences = options.queries + 1;
  stage_options.max_batch = options.batch;
  stage_options.threads = options.threads > 0
                              ? options.threads
                              : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  stage_options.all_logits = true;
  ASSIGN_OR_RETURN(auto stage, Stage::Load(path, stage_options));
  if (!stage->has_embedding() || !stage->has_head()) {
    return InvalidArgument("'{}' is a part of a model; to evaluate a plan's shards name the plan",
                           path.string());
  }
  return std::make_unique<GgufModel>(std::move(stage), options);
}

absl::StatusOr<GgufSummary> SummarizeGguf(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(path));
  struct Use {
    int64_t bytes = 0;
    int count = 0;
  };
  std::map<std::string, Use> uses;
  int64_t bytes = 0, elements = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    bytes += tensor.bytes;
    elements += tensor.elements();
    if (tensor.rows() < 2) continue;
    Use& use = uses[Name(tensor.type)];
    use.bytes += tensor.bytes;
    ++use.count;
  }
  std::vector<std::pair<std::string, Use>> order(uses.begin(), uses.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  GgufSummary summary;
  summary.file_bytes = file.file_bytes();
  if (elements > 0)
    summary.bits_per_weight = 8.0 * static_cast<double>(bytes) / static_cast<double>(elements);
  for (const auto& [type, use] : order) {
    summary.types += fmt::format("{}{} x{}", summary.types.empty() ? "" : ", ", type, use.count);
  }
  return summary;
}

}  // namespace dilemma
