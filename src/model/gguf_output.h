// A GGUF file that is being written: keys first, then tensors one after the other, so that no more than one
// is in memory. The file appears under its name only when it is whole. For the rooms that also link ggml.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/model.h"

struct gguf_context;  // ggml's
struct ggml_context;

namespace dilemma {

class GgufOutput {
 public:
  GgufOutput();  // no keys
  // Copies all keys of `source` (not its tensors).
  explicit GgufOutput(const gguf_context* source);
  ~GgufOutput();  // removes an unfinished file
  GgufOutput(const GgufOutput&) = delete;
  GgufOutput& operator=(const GgufOutput&) = delete;

  void RemoveKeys(std::string_view prefix);
  void SetInteger(const std::string& key, uint32_t value);
  void SetFloat(const std::string& key, float value);
  void SetBool(const std::string& key, bool value);
  void SetString(const std::string& key, const std::string& value);
  void SetStrings(const std::string& key, std::span<const std::string> values);
  void SetIntegers(const std::string& key, std::span<const int32_t> values);
  // Declares a tensor; data follow in the order of declaration. `type` takes the place of tensor.type.
  // kInvalidArgument for a name that is there already or longer than GGUF's 63 bytes.
  absl::Status Declare(const TensorInfo& tensor, const std::string& name, TensorType type);
  std::string Header() const;  // keys and declarations, as in the file

  // Opens the file and writes the header; kResourceExhausted where the disk has no room for the whole.
  absl::Status Start(const std::filesystem::path& path);
  absl::Status Append(std::string_view data);  // of the next tensor; its size is checked
  absl::Status Finish();                       // renames the file to its name

 private:
  absl::Status WriteError() const;

  gguf_context* gguf_;
  ggml_context* shapes_;
  size_t alignment_ = 32;
  std::filesystem::path path_, part_;
  std::ofstream out_;
  size_t next_ = 0;
  std::vector<int64_t> sizes_;  // of the declared tensors
  bool started_ = false;
};

}  // namespace dilemma
