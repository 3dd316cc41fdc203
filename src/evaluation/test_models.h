// Small models for tests of evaluation: a tokenizer whose tokens are bytes, and a model that remembers a
// table.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/tokenizer.h"
#include "evaluation/language_model.h"
#include "evaluation/logits.h"

namespace dilemma {

class ByteTokenizer : public Tokenizer {
 public:
  int32_t start = -1;  // begins texts where it is not negative

  std::vector<int32_t> Encode(std::string_view text, bool, bool add_bos) const override {
    std::vector<int32_t> tokens;
    if (add_bos && start >= 0) tokens.push_back(start);
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  std::string Piece(int32_t token) const override { return {static_cast<char>(token)}; }
  std::string Decode(const std::vector<int32_t>& tokens) const override {
    std::string text;
    for (const int32_t token : tokens) text += Piece(token);
    return text;
  }
  bool IsEndOfGeneration(int32_t token) const override { return token == 0; }
  std::vector<int32_t> EndOfGenerationTokens() const override { return {0}; }
  int32_t vocab_size() const override { return 256; }
  absl::StatusOr<std::string> ApplyChatTemplate(const std::vector<ChatMessage>&) const override {
    return absl::UnimplementedError("no template");
  }
};

// Logits are a function of the last token alone: those of row `token` of a table.
class TableModel : public LanguageModel {
 public:
  explicit TableModel(std::vector<std::vector<float>> table, int64_t rows_a_call = 3)
      : table_(std::move(table)), rows_a_call_(rows_a_call) {}
  int64_t n_vocab() const override { return std::ssize(table_); }
  int64_t context() const override { return 1 << 20; }

  absl::Status Logits(std::span<const int32_t> tokens, const LogitsSink& sink) override {
    for (int64_t first = 0; first < std::ssize(tokens); first += rows_a_call_) {
      std::vector<float> logits;
      for (int64_t i = first; i < std::min(first + rows_a_call_, std::ssize(tokens)); ++i) {
        const auto& row = table_[static_cast<size_t>(tokens[static_cast<size_t>(i)])];
        logits.insert(logits.end(), row.begin(), row.end());
      }
      RETURN_IF_ERROR(sink(first, logits));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Reply>> Ask(std::span<const int32_t>, std::span<const Query> queries) override {
    std::vector<Reply> replies;
    for (const Query& query : queries) {
      Reply reply;
      int32_t token = query.prompt.back();
      while (std::ssize(reply.generated) < query.max_tokens) {
        token = Top(table_[static_cast<size_t>(token)]);
        if (std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end()) break;
        reply.generated.push_back(token);
      }
      for (const auto& candidate : query.candidates) {
        double nll = 0;
        int32_t last = query.prompt.back();
        for (const int32_t next : candidate) {
          nll += NegativeLogLikelihood(table_[static_cast<size_t>(last)], next);
          last = next;
        }
        reply.candidate_nll.push_back(nll);
      }
      replies.push_back(std::move(reply));
    }
    return replies;
  }

  std::vector<int32_t> end_tokens;

 private:
  std::vector<std::vector<float>> table_;
  int64_t rows_a_call_;
};

}  // namespace dilemma
