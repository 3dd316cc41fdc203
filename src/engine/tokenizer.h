// Tokenizer and chat template of a model file, without its weights. Thread-safe after loading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

struct ChatMessage {
  std::string role;  // system, user, assistant
  std::string content;
};

class Tokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::filesystem::path& model);
  virtual ~Tokenizer() = default;

  // `special`: text like "<|im_start|>" becomes its token; `add_bos` as the model wants it.
  virtual std::vector<int32_t> Encode(std::string_view text, bool special, bool add_bos) const = 0;
  virtual std::string Piece(int32_t token) const = 0;  // bytes; may be part of a UTF-8 character
  virtual std::string Decode(const std::vector<int32_t>& tokens) const = 0;
  virtual bool IsEndOfGeneration(int32_t token) const = 0;
  virtual std::vector<int32_t> EndOfGenerationTokens() const = 0;
  virtual int32_t vocab_size() const = 0;
  // The model's own template applied, ending where the assistant is to go on; an error where the file has
  // none.
  virtual absl::StatusOr<std::string> ApplyChatTemplate(const std::vector<ChatMessage>& messages) const = 0;
};

}  // namespace dilemma
