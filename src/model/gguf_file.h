// A GGUF file opened for reading: its keys and where its tensors lie; no weights are held. For the rooms that
// also link ggml; others use gguf_reader.h. Immutable after opening, so safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"

struct gguf_context;  // ggml's

namespace dilemma {

struct FreeGguf {
  void operator()(gguf_context* context) const;
};
using GgufHeader = std::unique_ptr<gguf_context, FreeGguf>;

// Keys and tensors' places as `read` (one of ggml's readers, without data) gives them. kInvalidArgument,
// which says "damaged ...", where it cannot, and for what ggml reads but would end the process over when it
// copies or writes it: a name that is empty or there twice (a NUL ends it), an alignment beyond 1 MiB.
absl::StatusOr<GgufHeader> ReadGgufHeader(const std::function<gguf_context*()>& read);

class GgufFile {
 public:
  // kInvalidArgument for a file that is not GGUF, is damaged, or is shorter than its tensors say.
  static absl::StatusOr<GgufFile> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  int64_t file_bytes() const { return file_bytes_; }
  const gguf_context* context() const { return context_.get(); }  // owned by this object

  // In the order of the file; `quantizable` is not set here.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* FindTensor(std::string_view name) const;  // nullptr where there is none

  // Nothing where the key is absent or has another type. Integers of every width count.
  std::optional<int64_t> Integer(const std::string& key) const;
  std::optional<double> Number(const std::string& key) const;  // floats and integers
  std::optional<std::string> String(const std::string& key) const;
  std::vector<std::string> Keys() const;

  // "'<path>': <message>", as kInvalidArgument.
  absl::Status Error(std::string_view message) const;

 private:
  std::filesystem::path path_;
  int64_t file_bytes_ = 0;
  GgufHeader context_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace dilemma
