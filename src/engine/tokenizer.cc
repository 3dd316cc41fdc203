#include "engine/tokenizer.h"

#include <algorithm>

#include "base/status.h"
#include "engine/backend.h"
#include "llama.h"
#include "model/gguf_file.h"

namespace dilemma {
namespace {

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};

class LlamaTokenizer : public Tokenizer {
 public:
  LlamaTokenizer(std::unique_ptr<llama_model, FreeModel> model, std::string path)
      : model_(std::move(model)), vocab_(llama_model_get_vocab(model_.get())), path_(std::move(path)) {
    for (int32_t token = 0; token < vocab_size(); ++token) {
      if (llama_vocab_is_eog(vocab_, token)) end_tokens_.push_back(token);
    }
  }

  std::vector<int32_t> Encode(std::string_view text, bool special, bool add_bos) const override {
    std::vector<int32_t> tokens(text.size() + 8);
    const auto encode = [&] {
      return llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                            static_cast<int32_t>(tokens.size()), add_bos, special);
    };
    int32_t count = encode();
    if (count < 0 && count != INT32_MIN) {
      tokens.resize(static_cast<size_t>(-count));
      count = encode();
    }
    tokens.resize(static_cast<size_t>(std::max(count, 0)));
    return tokens;
  }

  std::string Piece(int32_t token) const override {
    if (token < 0 || token >= vocab_size()) return "";
    std::string piece(64, '\0');
    const auto fill = [&] {
      return llama_token_to_piece(vocab_, token, piece.data(), static_cast<int32_t>(piece.size()), 0, true);
    };
    int32_t size = fill();
    if (size < 0) {
      piece.resize(static_cast<size_t>(-size));
      size = fill();
    }
    piece.resize(static_cast<size_t>(std::max(size, 0)));
    return piece;
  }

  std::string Decode(const std::vector<int32_t>& tokens) const override {
    std::string text;
    for (int32_t token : tokens) text += Piece(token);
    return text;
  }

  bool IsEndOfGeneration(int32_t token) const override {
    return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
  }
  std::vector<int32_t> EndOfGenerationTokens() const override { return end_tokens_; }
  int32_t vocab_size() const override { return llama_vocab_n_tokens(vocab_); }

  absl::StatusOr<std::string> ApplyChatTemplate(const std::vector<ChatMessage>& messages) const override {
    const char* chat_template = llama_model_chat_template(model_.get(), nullptr);
    if (chat_template == nullptr) {
      return FailedPrecondition("'{}' has no chat template; send a plain prompt instead", path_);
    }
    std::vector<llama_chat_message> chat;
    size_t size = 256;
    for (const ChatMessage& message : messages) {
      chat.push_back({message.role.c_str(), message.content.c_str()});
      size += message.role.size() + 2 * message.content.size() + 32;
    }
    std::string text(size, '\0');
    const auto apply = [&] {
      return llama_chat_apply_template(chat_template, chat.data(), chat.size(), /*add_ass=*/true, text.data(),
                                       static_cast<int32_t>(text.size()));
    };
    int32_t length = apply();
    if (length > static_cast<int32_t>(text.size())) {
      text.resize(static_cast<size_t>(length));
      length = apply();
    }
    if (length < 0) {
      return FailedPrecondition("'{}' has a chat template that is not known; send a plain prompt instead",
                                path_);
    }
    text.resize(static_cast<size_t>(length));
    return text;
  }

 private:
  std::unique_ptr<llama_model, FreeModel> model_;
  const llama_vocab* vocab_;  // owned by model_
  std::string path_;
  std::vector<int32_t> end_tokens_;  // ascending
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::filesystem::path& model) {
  InitBackend();
  ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(model));
  if (file.String("tokenizer.ggml.model").value_or("no_vocab") == "no_vocab") {
    return file.Error("the file has no tokenizer; name the whole model, not a shard");
  }
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  params.n_gpu_layers = 0;
  TakeBackendErrors();
  std::unique_ptr<llama_model, FreeModel> loaded(llama_model_load_from_file(model.c_str(), params));
  if (loaded == nullptr) {
    return file.Error(fmt::format("its tokenizer cannot be loaded: {}", TakeBackendErrors()));
  }
  return std::make_unique<LlamaTokenizer>(std::move(loaded), model.string());
}

}  // namespace dilemma
