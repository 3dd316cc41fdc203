// The byte-pair tokenizer of GPT-2's kind that OPT has, from its files to what GGUF wants. Plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "importer/opt_config.h"

namespace dilemma {

enum class TokenKind { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };  // GGUF's numbers

struct Gpt2Tokenizer {
  std::vector<std::string> tokens;  // by id, as many as the model's vocabulary
  std::vector<TokenKind> kinds;     // as many
  std::vector<std::string> merges;  // "a b", best first
  bool add_bos = true;              // </s> comes first, as OPT was trained
};

// Reads vocab.json and merges.txt, or tokenizer.json where they are not there, and the added tokens of
// tokenizer_config.json and added_tokens.json. kNotFound or kInvalidArgument, naming file and field, for
// files that are missing, damaged, do not fit one another or the vocabulary, or are a tokenizer of another
// kind.
absl::StatusOr<Gpt2Tokenizer> ReadGpt2Tokenizer(const std::filesystem::path& folder, const OptConfig& config);

}  // namespace dilemma
