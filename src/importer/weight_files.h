// The weights of a Hugging Face folder, whichever files hold them: model.safetensors or pytorch_model.bin,
// whole or in parts with an index file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "importer/source_tensor.h"

namespace dilemma {

// One thread at a time.
class WeightFiles {
 public:
  // Prefers safetensors. All headers are read and checked, no weights. kNotFound where the folder has none;
  // kInvalidArgument for damaged files or an index that does not fit them.
  static absl::StatusOr<std::unique_ptr<WeightFiles>> Open(const std::filesystem::path& folder);
  virtual ~WeightFiles() = default;

  // By name. "model." in front of "decoder." is left out, as some checkpoints have it and some do not.
  const std::map<std::string, SourceTensor>& tensors() const { return tensors_; }
  const SourceTensor* Find(const std::string& name) const;
  const std::string& FileOf(const std::string& name) const { return files_.at(name); }  // for messages
  std::string description() const;  // "model.safetensors", "pytorch_model.bin in 2 parts"

  // The bytes of tensors().at(name).
  virtual absl::StatusOr<std::string> Read(const std::string& name) const = 0;

 protected:
  absl::Status Add(const std::filesystem::path& file, const SourceTensor& tensor);

  std::map<std::string, SourceTensor> tensors_;
  std::map<std::string, std::string> files_;  // tensor to file
  std::vector<std::filesystem::path> parts_;
};

}  // namespace dilemma
